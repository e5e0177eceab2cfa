// What is measured is what is shipped: plain JavaScript, without what a loader adds to every function.
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync, symlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BENCH = fileURLToPath(new URL('..', import.meta.url));
const COMPILED = `${BENCH}.compiled`;
let isCompiled = false;

/** @param file below bench/, as TypeScript. @returns where it is as JavaScript; compiled once a run. */
export function compiledFile(file: string): string {
  if (!isCompiled) compile();
  isCompiled = true;
  return `${COMPILED}/bench/${file.replace(/\.tsx?$/, '.js')}`;
}

/** The files that the sources read beside themselves, and the peers' packages, stand where they are looked for. */
function compile(): void {
  rmSync(COMPILED, { recursive: true, force: true });
  execFileSync('npx', ['tsc', '--project', `${BENCH}tsconfig.json`], { stdio: ['ignore', 2, 2] });
  for (const store of ['sqlite', 'postgres']) {
    const migrations = `src/store/${store}/migrations`;
    cpSync(`${BENCH}../${migrations}`, `${COMPILED}/${migrations}`, { recursive: true });
  }
  symlinkSync('../../schemas', `${COMPILED}/schemas`);
  symlinkSync('../../../peers/node_modules', `${COMPILED}/bench/peers/node_modules`);
}
