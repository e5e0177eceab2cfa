// One small style for all pages, light and dark, from a phone to a desk. A product sets its own colours by replacing
// the custom properties.
export const STYLE = `
:root{color-scheme:light dark;--ink:#1c2024;--soft:#566069;--paper:#fff;--ground:#f4f5f7;--line:#d9dde2;--accent:#0b57d0;--on-accent:#fff;--good:#136c2e;--bad:#b3261e;--warn:#8a5300;--mark:#eef3fd;--bad-ground:#fdf1f0;--good-ground:#eef8f0}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#a3acb6;--paper:#1b1f24;--ground:#121518;--line:#39414a;--accent:#8ab4f8;--on-accent:#10233f;--good:#7ad191;--bad:#f2a49f;--warn:#f0c27a;--mark:#1d2a3d;--bad-ground:#35201f;--good-ground:#1a2d20}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif;overflow-wrap:anywhere}
header.top{background:var(--paper);border-bottom:1px solid var(--line);padding:.6rem 1rem}
header.top .inner{max-width:52rem;margin:0 auto;display:flex;gap:.25rem 1.5rem;flex-wrap:wrap;align-items:center}
header.top nav{display:flex;gap:0 1.1rem;flex-wrap:wrap;flex:1 1 auto}
header.top nav a{color:var(--soft);text-decoration:none;padding:.35rem 0;border-bottom:2px solid transparent}
header.top nav a:hover{color:var(--ink);border-color:var(--line)}
header.top nav a[aria-current]{color:var(--ink);border-color:var(--accent)}
header.top .person{display:flex;gap:.6rem;align-items:center;margin-left:auto}
main{max-width:40rem;margin:1.5rem auto 3rem;padding:0 1rem}
main.wide{max-width:54rem}
.card{background:var(--paper);border:1px solid var(--line);border-radius:.75rem;padding:1.25rem;margin:1rem 0}
.card>:first-child,.note>:first-child{margin-top:0}.card>:last-child,.note>:last-child{margin-bottom:0}
.empty{text-align:center;padding:2.5rem 1.25rem}.empty p{max-width:32rem;margin:.75rem auto}
h1{font-size:1.4rem;line-height:1.3;margin:0 0 .5rem;text-wrap:balance}h2{font-size:1.05rem;margin:1.5rem 0 .5rem}h3,legend{font-size:.95rem;font-weight:600;margin:1rem 0 .25rem;color:var(--soft)}
.row>h1,.row>h2,.row>p{margin:0}.row>h2.grow{flex-basis:8rem}.card>ul:not([class]){padding-left:1.25rem}
p{margin:.5rem 0}small,.soft{color:var(--soft)}small{font-size:.875em}
a{color:var(--accent);text-underline-offset:.15em}h2>a{color:inherit}
code{font-family:ui-monospace,"Liberation Mono",monospace;font-size:.9em}
ul.plain,ol.plain{list-style:none;margin:0;padding:0}.plain>li{padding:.5rem 0;border-top:1px solid var(--line)}.plain>li:first-child{border-top:0}section>h2+ul.plain>li,section>h3+ul.plain>li{padding:.3rem 0}section>h2:has(+ul.plain){margin:1.1rem 0 .15rem}
ul.tight>li{border:0;padding:.2rem 0}
ul.events{margin:.25rem 0;padding:0;list-style:none;columns:15.5rem 2;column-gap:1.5rem}ul.events li{break-inside:avoid;padding:.15rem 0}
label.choice{display:flex;gap:.6rem;align-items:flex-start;padding:.15rem 0;cursor:pointer}label.choice input{margin:.2rem 0 0;flex:none;width:1.15rem;height:1.15rem;accent-color:var(--accent)}label.choice small{display:inline-block}label.choice.note{padding:.75rem 1rem}
.tag{display:inline-block;border:1px solid var(--line);border-radius:1rem;padding:0 .55rem;font-size:.8rem;line-height:1.5;color:var(--soft);white-space:nowrap}
.tag.new{color:var(--accent);border-color:currentColor;background:var(--mark)}.tag.write{color:var(--warn);border-color:currentColor}.tag.admin{color:var(--bad);border-color:currentColor}.tag.good{color:var(--good);border-color:currentColor}
.row{display:flex;gap:.5rem .75rem;flex-wrap:wrap;align-items:center}.row.end{justify-content:flex-end;margin-top:1.25rem}.grow{flex:1 1 12rem;min-width:0}
button,.button{font:inherit;font-weight:600;line-height:1.4;border-radius:.5rem;border:1px solid var(--line);background:var(--paper);color:var(--ink);padding:.55rem 1.1rem;cursor:pointer;text-decoration:none;text-align:center;display:inline-block}
button:hover,.button:hover{border-color:currentColor}
button.main,.button.main{background:var(--accent);border-color:var(--accent);color:var(--on-accent)}button.main:hover,.button.main:hover{filter:brightness(1.1)}
button.danger,.button.danger{color:var(--bad);border-color:currentColor}button.danger:hover,.button.danger:hover{background:var(--bad-ground)}
button.small{padding:.2rem .7rem;font-size:.9rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
label.field{display:block;margin:1rem 0}label.field>span{display:block;font-weight:600;margin-bottom:.25rem}label.field>small{display:block;margin-top:.25rem}
input[type=text],textarea,select{font:inherit;width:100%;padding:.5rem .6rem;border:1px solid var(--soft);border-radius:.5rem;background:var(--paper);color:var(--ink)}textarea{resize:vertical;min-height:5rem}
::placeholder{color:var(--soft);opacity:1}
fieldset{border:0;margin:1rem 0;padding:0;min-width:0}legend{padding:0;margin:0 0 .25rem}
fieldset.where{border-top:1px solid var(--line);padding-top:1rem}fieldset.where>legend{float:left;width:100%}fieldset.where>legend+*{clear:both}
fieldset.where ul{margin-left:1.75rem;max-height:18rem;overflow:auto;padding:.25rem}
fieldset.where:has(>label>input[value=all]:checked) ul{display:none}
.note{border-left:4px solid var(--accent);background:var(--mark);padding:.75rem 1rem;border-radius:.25rem;margin:1rem 0}.note.bad{border-color:var(--bad);background:var(--bad-ground)}.note.good{border-color:var(--good);background:var(--good-ground)}
.secret{display:block;padding:.6rem .8rem;background:var(--ground);border:1px dashed var(--soft);border-radius:.5rem;user-select:all}
pre.source{background:var(--ground);border:1px solid var(--line);padding:.6rem .75rem;border-radius:.5rem;margin:.5rem 0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.9rem}
pre.source .line{display:flex;gap:.75rem}pre.source .line code{flex:1;min-width:0}pre.source .no{color:var(--soft);min-width:1.5rem;text-align:right;user-select:none;font-family:ui-monospace,"Liberation Mono",monospace;font-size:.9em}
pre.source .line:not(.at) code{color:var(--soft)}
pre.source mark{background:var(--bad-ground);color:var(--bad);font-weight:700;text-decoration:underline wavy;text-underline-offset:.25em;text-decoration-skip-ink:none}
.faults>li{padding:1rem 0}.exchange+.exchange{border-top:1px solid var(--line);margin-top:1rem;padding-top:1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:.5rem 0}dt{color:var(--soft)}dd{margin:0;min-width:0}
@media (max-width:30rem){header.top nav{order:3;flex-basis:100%}dl{gap:.25rem .75rem}.card{padding:1rem}.plain .row>.grow{flex-basis:100%}main .row.end>*{flex:1 1 auto}main .row>.button.main{flex:1 1 auto}}
@media (prefers-reduced-motion:no-preference){button,.button{transition:border-color .1s,background .1s}}
`;
