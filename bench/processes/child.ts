// The inside of a process that the benchmarks start: it answers named questions over IPC and ends with its parent.

/** As JSON, in the last argument. */
export function readSettings<T>(): T {
  return JSON.parse(process.argv.at(-1)!);
}

/** The id of what is said unasked, first. */
export const READY = 0;

// biome-ignore lint/suspicious/noExplicitAny: what a question carries is known to those who ask and answer it.
type Answers = Record<string, (argument: any) => unknown>;

/** As parent.ts asks it. */
interface Question {
  id: number;
  question: string;
  argument: unknown;
}

/**
 * @param close ends whatever the process has started.
 * @param servers processes that it has started: its parent ends them if it is killed before it can.
 */
export function answerQuestions(
  answers: Answers,
  close: () => unknown = () => undefined,
  servers: number[] = [],
): void {
  const all: Answers = { cpu: cpuMs, ...answers };
  process.on('message', async ({ id, question, argument }: Question) => {
    try {
      process.send?.({ id, value: await all[question]!(argument) });
    } catch (error) {
      process.send?.({ id, error: (error as Error).stack });
    }
  });
  // A terminal's Ctrl-C reaches all of its processes; the parent tells this one when to end.
  process.on('SIGINT', () => undefined);
  process.once('disconnect', async () => {
    try {
      await close();
    } finally {
      process.exit();
    }
  });
  process.send?.({ id: READY, value: servers });
}

/** Processor time of this process so far. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** One clock for all processes of a machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
