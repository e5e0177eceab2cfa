// The outside of a process that the benchmarks start: asks it, never for ever, and ends it.
import { type ChildProcess, fork } from 'node:child_process';
import { basename, join } from 'node:path';
import { READY } from './child.ts';
import { compiledFile } from './compile.ts';

export interface BenchProcess {
  /** @throws what the process threw, or that it ended, or took longer than `limitMs`. */
  ask<T = void>(question: string, argument?: unknown, limitMs?: number): Promise<T>;
  close(): Promise<void>;
}

const START_LIMIT_MS = 60_000;
const ANSWER_LIMIT_MS = 60_000;
const CLOSE_LIMIT_MS = 15_000;

const running = new Set<BenchProcess>();
/** Where each process leaves its CPU profile when it ends, in a folder of its own name. */
let profiles: string | undefined;

export function profileInto(folder: string): void {
  profiles = folder;
}

/** @param file below bench/. */
export async function startProcess(file: string, settings: unknown): Promise<BenchProcess> {
  const child = fork(compiledFile(file), [JSON.stringify(settings)], {
    execArgv: profiles ? ['--cpu-prof', `--cpu-prof-dir=${join(profiles, basename(file))}`] : [],
    env: { ...process.env, NODE_ENV: 'production' },
    // Nothing but figures goes to standard output.
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const started = new Answering(child, file);
  running.add(started);
  await started.ready();
  return started;
}

/** Ends every process, and what each has started. */
export async function closeProcesses(): Promise<void> {
  await Promise.all([...running].map((each) => each.close()));
}

function endServer(pid: number): void {
  try {
    // PostgreSQL takes its helpers with it.
    process.kill(pid, 'SIGQUIT');
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

class Answering implements BenchProcess {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #servers: number[] = [];
  #hasEnded = false;
  #lastId = READY;

  constructor(child: ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    child.on('message', ({ id, value, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#hasEnded = true;
        running.delete(this);
        if (signal) for (const pid of this.#servers) endServer(pid);
        for (const { reject } of this.#waiting.values()) {
          reject(new Error(`${name} has ended (${signal ?? code}).`));
        }
        resolve();
      });
    });
  }

  async ready(): Promise<void> {
    this.#servers = await this.#answer<number[]>(READY, 'start', START_LIMIT_MS);
  }

  ask<T>(question: string, argument?: unknown, limitMs = ANSWER_LIMIT_MS): Promise<T> {
    if (this.#hasEnded) return Promise.reject(new Error(`${this.#name} has ended.`));
    const id = ++this.#lastId;
    this.#child.send({ id, question, argument });
    return this.#answer<T>(id, question, limitMs);
  }

  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_LIMIT_MS);
    await this.#ended;
    clearTimeout(impatience);
  }

  #answer<T>(id: number, question: string, limitMs: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const limit = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${this.#name}: no answer to "${question}" within ${limitMs / 1_000} s.`));
      }, limitMs);
      const end = () => {
        clearTimeout(limit);
        this.#waiting.delete(id);
      };
      this.#waiting.set(id, {
        resolve(value) {
          end();
          resolve(value as T);
        },
        reject(error) {
          end();
          reject(error);
        },
      });
    });
  }
}
