// Programs of this package as plain JavaScript, a file each. To load the sources one by one takes a process a second and
// more of CPU; a bundle starts in a fifth of that, and tests start hundreds.
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { temporaryFolder } from './temporary-folder.ts';

/** By the name of the program. */
const PROGRAMS = {
  mortise: 'src/cli/main.ts',
  'code-host': 'examples/code-host/main.ts',
  host: 'test/faults/programs/host.ts',
  publisher: 'test/faults/programs/publisher.ts',
  receiver: 'test/faults/programs/receiver.ts',
  // Loaded before one of the others.
  'machine-clock': 'test/faults/programs/machine-clock.ts',
};
/** What a host starts as threads: looked for beside it. */
const THREADS = {
  'delivery-thread': 'src/delivery-thread.ts',
  'checkpoint-thread': 'src/store/sqlite/checkpoint-thread.ts',
};

export type Program = keyof typeof PROGRAMS;

let bundled: Promise<string> | undefined;

/** @returns where the program is; all are built once a process */
export async function programFile(program: Program): Promise<string> {
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
  const top = temporaryFolder();
  const root = join(top, 'mortise');
  const folder = join(root, 'test', 'programs');
  mkdirSync(folder, { recursive: true });
  for (const name of ['node_modules', 'schemas', 'platforms'])
    symlinkSync(resolve(name), join(root, name));
  // Seen from src/cli/commands.
  symlinkSync(resolve('platforms'), join(top, 'platforms'));
  for (const store of ['sqlite', 'postgres'])
    symlinkSync(resolve(`src/store/${store}/migrations`), join(folder, store));
  await build({
    entryPoints: { ...PROGRAMS, ...THREADS },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    tsconfig: 'tsconfig.json',
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
