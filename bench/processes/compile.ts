// What is measured is what is shipped: plain JavaScript, without what a loader adds to every function.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** In the project, where packages are found; a folder for each run. */
const COMPILED = join(ROOT, 'bench/.compiled');
let compiled: string | undefined;

/** @param file below bench/, as TypeScript. @returns where it is as JavaScript; compiled once a run. */
export function compiledFile(file: string): string {
  compiled ??= compile();
  return join(compiled, 'bench', file.replace(/\.tsx?$/, '.js'));
}

/** The files that the sources read beside themselves, and the peers' packages, stand where they are looked for. */
function compile(): string {
  mkdirSync(COMPILED, { recursive: true });
  const folder = mkdtempSync(`${COMPILED}/`);
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  execFileSync('npx', ['tsc', '--project', 'bench/tsconfig.json', '--outDir', folder], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  });
  for (const store of ['sqlite', 'postgres']) {
    const migrations = `src/store/${store}/migrations`;
    cpSync(join(ROOT, migrations), join(folder, migrations), { recursive: true });
  }
  symlinkSync(join(ROOT, 'schemas'), join(folder, 'schemas'));
  symlinkSync(join(ROOT, 'bench/peers/node_modules'), join(folder, 'bench/peers/node_modules'));
  return folder;
}
