// The programs of the fault tests as plain JavaScript: a host that is killed two hundred times must start fast.
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

export type Program = 'host' | 'publisher' | 'receiver';

const PROGRAMS = ['host', 'publisher', 'receiver'].map((name) => `test/faults/programs/${name}.ts`);
/** Loaded before a program. */
const CLOCK = 'test/faults/programs/machine-clock.ts';
/** What the host starts as threads: looked for beside it. */
const THREADS = ['src/delivery-thread.ts', 'src/store/sqlite/checkpoint-thread.ts'];

let bundled: Promise<string> | undefined;

/** @returns where the program is, built once a run */
export async function programFile(program: Program | 'machine-clock'): Promise<string> {
  bundled ??= bundle();
  return join(await bundled, `${program}.mjs`);
}

/** Two stores of one bundle: each has its migrations in a folder of its own. */
const migrations: Plugin = {
  name: 'migrations',
  setup({ onLoad }) {
    onLoad({ filter: /\/store\/\w+\/migrate\.ts$/ }, ({ path }) => {
      const store = basename(dirname(path));
      const contents = readFileSync(path, 'utf8').replace("'./migrations/'", `'./${store}/'`);
      return { contents, loader: 'ts' };
    });
  },
};

/** The files that the sources read beside themselves stand where the bundle looks for them. */
async function bundle(): Promise<string> {
  const root = temporaryFolder();
  const folder = join(root, 'test', 'programs');
  mkdirSync(folder, { recursive: true });
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
  symlinkSync(resolve('schemas'), join(root, 'schemas'));
  for (const store of ['sqlite', 'postgres'])
    symlinkSync(resolve(`src/store/${store}/migrations`), join(folder, store));
  await build({
    entryPoints: [...PROGRAMS, CLOCK, ...THREADS].map((file) => ({
      in: file,
      out: basename(file, '.ts'),
    })),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['better-sqlite3', 'pg'],
    plugins: [migrations],
    // CommonJS packages among the dependencies ask for require.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return folder;
}
