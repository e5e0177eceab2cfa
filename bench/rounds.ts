// The shared harness: two sides measured by turns in one run, and the median of the ratios of the rounds.
// Absolute speeds move with whatever else the machine does; what two neighbours in time have to each other does not.

/** Does the work again and again until `milliseconds` have passed. @returns operations per second. */
export type Side = (milliseconds: number) => Promise<number>;

export interface Subject {
  bench: string;
  /** What the ratio is to. */
  of: string;
  unit: string;
  measured: Side;
  baseline: Side;
  /** How long one side runs in one round. */
  milliseconds: number;
  /** What else was measured on the way; asked for after the rounds. */
  extra?: () => Record<string, number>;
}

export interface Round {
  measured: number;
  baseline: number;
}

export interface Figure {
  ratio: number;
  min: number;
  max: number;
  rounds: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('There is no median of nothing.');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of the ratios, which is not the ratio of the medians: only sides of the same round are compared. */
export function summarize(rounds: readonly Round[]): Figure {
  const ratios = rounds.map(({ measured, baseline }) => measured / baseline);
  return {
    ratio: median(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    rounds: rounds.length,
  };
}

/**
 * One round to warm up, which is not counted; who begins changes every round.
 * @param deadline by performance.now(): on a busy machine there are fewer rounds, at least one.
 */
export async function playRounds(
  subject: Subject,
  count: number,
  deadline: number,
): Promise<Round[]> {
  const { measured, baseline, milliseconds } = subject;
  await measured(milliseconds);
  await baseline(milliseconds);
  const rounds: Round[] = [];
  for (let i = 0; i < count && (i === 0 || performance.now() < deadline); i++) {
    const first = await (i % 2 === 0 ? measured : baseline)(milliseconds);
    const second = await (i % 2 === 0 ? baseline : measured)(milliseconds);
    rounds.push(
      i % 2 === 0 ? { measured: first, baseline: second } : { measured: second, baseline: first },
    );
  }
  return rounds;
}

/** The clock is read once per `batch`, so that reading it is not what is measured. */
export async function perSecond(
  milliseconds: number,
  batch: number,
  work: (count: number) => void | Promise<void>,
): Promise<number> {
  const start = performance.now();
  let done = 0;
  let elapsed = 0;
  while (elapsed < milliseconds) {
    await work(batch);
    done += batch;
    elapsed = performance.now() - start;
  }
  return done / (elapsed / 1000);
}
