// Real processes: started, listened to, killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { programFile } from './bundle.ts';

/** The command line, faster than bin/mortise.js starts in a clone; coverage is counted of the sources. */
export const MORTISE = process.env.NODE_V8_COVERAGE
  ? 'bin/mortise.js'
  : await programFile('mortise');

export interface RunningProcess {
  child: ChildProcess;
  /** Everything printed so far. */
  output(): string;
  /** Waits for text on standard output; fails with what was said if the process ends first. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** kill -9 unless told otherwise. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Exit code, once it has ended. */
  ended(): Promise<number | null>;
}

export function startProcess(
  args: string[],
  env: Record<string, string> = {},
  cwd?: string,
): RunningProcess {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const exit = once(child, 'close').then(([code]) => code as number | null);
  return {
    child,
    output: () => text,
    async waitFor(pattern, timeoutMs = 20_000) {
      const end = Date.now() + timeoutMs;
      for (;;) {
        const found = pattern.exec(text);
        if (found) return found;
        if (child.exitCode !== null || Date.now() > end) {
          throw new Error(`no ${pattern} from ${args.join(' ')}; it said:\n${text}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async kill(signal = 'SIGKILL') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exit;
    },
    ended: () => exit,
  };
}

/** A TypeScript file as a process. */
export function startScript(file: string, env: Record<string, string> = {}): RunningProcess {
  return startProcess(['--import', 'tsx', file], env);
}

export interface CommandResult {
  code: number | null;
  output: string;
}

/** `mortise …`, to its end. */
export async function mortise(
  args: string[],
  env: Record<string, string> = {},
): Promise<CommandResult> {
  const run = startProcess([MORTISE, ...args], env);
  const code = await run.ended();
  return { code, output: run.output() };
}
