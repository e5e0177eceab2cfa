// Starts a thread with a program of this package.
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** @param program `./name` beside the module whose `import.meta.url` is `from`, and with the same extension. */
export function startThread(program: string, from: string, options: WorkerOptions): Worker {
  const extension = extname(from);
  const url = new URL(`${program}${extension}`, from);
  // In the repository: what `--import tsx` does for the process, it does not do for its threads.
  if (extension === '.ts') {
    return new Worker(learningTypeScript(url, from), { ...options, eval: true });
  }
  return new Worker(url, options);
}

function learningTypeScript(program: URL, from: string): string {
  const require = createRequire(from);
  const manifest = require.resolve('tsx/package.json');
  const api = new URL(
    require(manifest).exports['./esm/api'].import.default,
    pathToFileURL(manifest),
  );
  const [tsx, url] = [api.href, program.href].map((each) => JSON.stringify(each));
  return `import(${tsx}).then(({ register }) => { register(); return import(${url}); })`;
}
