// A program in a process of its own, told what to do by messages.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Program, programFile } from '../helpers/bundle.ts';

export interface Child {
  readonly process: ChildProcess;
  /** Sends a question and waits for its answer; fails if the process ends first. */
  ask<T>(question: Record<string, unknown>): Promise<T>;
  /** What it printed: logs, mostly. */
  output(): string;
  /** Resolves when it has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

interface Reply {
  to: number;
  value?: unknown;
  error?: string;
}

const OUTPUT_KEPT = 200_000;

export async function startChild(program: Program, ...args: string[]): Promise<Child> {
  // Coverage is not asked of what is killed: writing it would slow every start.
  const { NODE_V8_COVERAGE: _, ...env } = process.env;
  // Of all threads of the program.
  const clock = ['--import', await programFile('machine-clock')];
  const child = spawn(process.execPath, [...clock, await programFile(program), ...args], {
    env: { ...env, NODE_OPTIONS: '', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-OUTPUT_KEPT);
    });
  }
  const waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  let asked = 0;
  child.on('message', ({ to, value, error }: Reply) => {
    const question = waiting.get(to);
    waiting.delete(to);
    if (error === undefined) question?.resolve(value as never);
    else question?.reject(new Error(`the ${program} said: ${error}`));
  });
  const exit = once(child, 'exit').then(() => {
    const ended = new Error(`the ${program} has ended; it said:\n${text.slice(-4_000)}`);
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  });
  return {
    process: child,
    output: () => text,
    ask: (question) =>
      new Promise((resolve, reject) => {
        if (child.exitCode !== null || child.signalCode !== null) {
          reject(new Error(`the ${program} has ended; it said:\n${text.slice(-4_000)}`));
          return;
        }
        const id = ++asked;
        waiting.set(id, { resolve, reject });
        child.send({ id, ...question }, (error) => {
          if (error && waiting.delete(id)) reject(error);
        });
      }),
    async kill(signal = 'SIGKILL') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exit;
    },
  };
}
