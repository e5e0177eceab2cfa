// One JSON line per figure on stdout, a line for people on stderr.
import { Skipped } from './plan.ts';
import { median, playRounds, type Round, type Subject, summarize } from './rounds.ts';

/** Rounds shorter than this need no word in between. */
const LONG_ROUND_MS = 2_000;

export async function report(subject: Subject, limitMs: number): Promise<void> {
  const { bench, of, unit } = subject;
  const started = performance.now();
  console.error(`${bench} …`);
  const played = await playRounds(subject, started + limitMs, progress(subject));
  const { ratio, min, max, rounds } = summarize(played);
  const extra = Object.entries(subject.extra?.() ?? {}).map(
    ([name, value]) => [name, typeof value === 'number' ? short(value) : value] as const,
  );
  console.log(
    JSON.stringify({
      bench,
      ratio: short(ratio),
      of,
      unit,
      rounds,
      min: short(min),
      max: short(max),
      ...Object.fromEntries(extra),
    }),
  );
  const here = (side: keyof Round) => short(median(played.map((round) => round[side])));
  console.error(
    `${bench}: ${short(ratio)} of ${of} (${short(min)}..${short(max)} in ${rounds} rounds; here about ${here('measured').toLocaleString('en')} to ${here('baseline').toLocaleString('en')} ${unit})${extra.map(([name, value]) => `; ${name} ${value}`).join('')}`,
  );
  if (rounds < subject.rounds) {
    console.error(
      `  ${rounds} of ${subject.rounds} rounds in the time there was: the machine is busy.`,
    );
  }
}

function progress({ rounds }: Subject) {
  let last = performance.now();
  return ({ measured, baseline }: Round, number: number) => {
    const now = performance.now();
    if (now - last > LONG_ROUND_MS) {
      console.error(`  round ${number} of ${rounds}: ${short(measured / baseline)}`);
    }
    last = now;
  };
}

/** A row without a figure says so where the figure would be. @returns whether that is a failure. */
export function reportMissing(bench: string, error: unknown): boolean {
  const { message } = error as Error;
  const isSkipped = error instanceof Skipped;
  console.log(JSON.stringify({ bench, [isSkipped ? 'skipped' : 'failed']: message }));
  console.error(`${bench}: ${isSkipped ? 'SKIPPED' : 'FAILED'}, ${message}`);
  return !isSkipped;
}

function short(value: number): number {
  return Number(value.toPrecision(3));
}
