// The programs of the fault tests as plain JavaScript: a host that is killed two hundred times must start fast.
import { mkdirSync, symlinkSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

export type Program = 'host' | 'publisher' | 'receiver';

const PROGRAMS = ['host', 'publisher', 'receiver'].map((name) => `test/faults/programs/${name}.ts`);
/** What the host starts as threads: looked for beside it. */
const THREADS = ['src/delivery-thread.ts', 'src/store/sqlite/checkpoint-thread.ts'];

let bundled: Promise<string> | undefined;

/** @returns where the program is, built once a run */
export async function programFile(program: Program): Promise<string> {
  bundled ??= bundle();
  return join(await bundled, `${program}.mjs`);
}

/** The files that the sources read beside themselves stand where the bundle looks for them. */
async function bundle(): Promise<string> {
  const root = temporaryFolder();
  const folder = join(root, 'test', 'programs');
  mkdirSync(folder, { recursive: true });
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
  symlinkSync(resolve('schemas'), join(root, 'schemas'));
  symlinkSync(resolve('src/store/sqlite/migrations'), join(folder, 'migrations'));
  await build({
    entryPoints: [...PROGRAMS, ...THREADS].map((file) => ({
      in: file,
      out: basename(file, '.ts'),
    })),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['better-sqlite3'],
    // CommonJS packages among the dependencies ask for require.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return folder;
}
