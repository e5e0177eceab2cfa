// The receiver of all deliveries, as the other processes ask it: receiver.cc does the work, and is compiled for the run.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, renameSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { answerQuestions, readSettings } from '../processes/child.ts';

export interface SinkSettings {
  /** How many origins it is. */
  origins: number;
  /** How many more accept everything and answer nothing. */
  hung: number;
}

export interface ReceivedRequest {
  head: string;
  body: string;
}

export interface SinkReport {
  /** Requests of the deliveries expected, and how many distinct ids they had. */
  received: number;
  distinct: number;
  sample: ReceivedRequest[];
  /** From the time in the payload to the last byte here, ms, of requests that carry one. */
  ages: number[];
}

const COMPILED = fileURLToPath(new URL('./receiver', import.meta.url));
const SOURCE = 'bench/delivery/receiver.cc';
/** The id of its first line, which says where it listens. */
const FIRST = 0;

const { origins, hung } = readSettings<SinkSettings>();
const receiver = spawn(compiledReceiver(), [String(origins), String(hung)], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
receiver.once('exit', (code, signal) => {
  console.error(`The receiver has ended (${signal ?? code}).`);
  process.exit(1);
});
const asked = new Map<number, (value: unknown) => void>();
let lastId = FIRST;
const first = answerTo(FIRST);
createInterface({ input: receiver.stdout }).on('line', (line) => {
  const space = line.indexOf(' ');
  const id = Number(line.slice(0, space));
  asked.get(id)?.(JSON.parse(line.slice(space + 1)));
  asked.delete(id);
});
const { origins: answering, hung: silent } = (await first) as Record<'origins' | 'hung', number[]>;
const addresses = { origins: answering.map(addressOf), hung: silent.map(addressOf) };

answerQuestions(
  {
    addresses: () => addresses,
    /** Forgets what was before. */
    expect: ({ isAged }: { isAged: boolean }) => ask(`expect ${isAged ? 1 : 0}`),
    /** When so many distinct deliveries had arrived, by monotonicMs(). */
    reached: (distinct: number) => ask(`reached ${distinct}`),
    async report(): Promise<SinkReport> {
      const report = (await ask('report')) as SinkReport;
      return { ...report, sample: report.sample.map(readRequest) };
    },
    /** Its processor time so far, ms. */
    cpu: () => ask('cpu'),
  },
  () => receiver.removeAllListeners('exit').kill(),
);

function ask(question: string): Promise<unknown> {
  const id = ++lastId;
  receiver.stdin.write(`${id} ${question}\n`);
  return answerTo(id);
}

function answerTo(id: number): Promise<unknown> {
  return new Promise((resolve) => asked.set(id, resolve));
}

function addressOf(port: number): string {
  return `http://127.0.0.1:${port}`;
}

function readRequest({ head, body }: ReceivedRequest): ReceivedRequest {
  return { head: Buffer.from(head, 'hex').toString(), body: Buffer.from(body, 'hex').toString() };
}

/** Once a run. @throws Error if there is no compiler */
function compiledReceiver(): string {
  if (existsSync(COMPILED)) return COMPILED;
  const own = `${COMPILED}-${process.pid}`;
  try {
    execFileSync('c++', ['-O2', '-std=c++17', '-o', own, SOURCE], { stdio: ['ignore', 2, 2] });
  } catch (cause) {
    throw new Error(`${SOURCE} cannot be compiled: is a C++ compiler installed as "c++"?`, {
      cause,
    });
  }
  // Another that was started beside this one may have compiled it meanwhile.
  renameSync(own, COMPILED);
  return COMPILED;
}
