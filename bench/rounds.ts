// The shared harness: two sides measured by turns in one run, and the median of the ratios of the rounds.
// Absolute speeds move with whatever else the machine does; what two neighbours in time have to each other does not.

/** Does its work once. @returns what was measured, in the unit of the subject. */
export type Side = () => Promise<number>;

export interface Subject {
  bench: string;
  /** What the ratio is to. */
  of: string;
  unit: string;
  measured: Side;
  baseline: Side;
  /** How many, if there is time. */
  rounds: number;
  /** Before the rounds, not counted. Default: each side once. */
  warmUp?: () => Promise<unknown>;
  /** What else was measured on the way; asked for after the rounds. */
  extra?: () => Record<string, number | boolean>;
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

/** The smallest value that at least `share` of all values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('There is no percentile of nothing.');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)]!;
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
 * Who begins changes every round.
 * @param deadline by performance.now(): on a busy machine there are fewer rounds, at least one.
 * @param onRound hears of each.
 */
export async function playRounds(
  subject: Subject,
  deadline: number,
  onRound: (round: Round, number: number) => void = () => undefined,
): Promise<Round[]> {
  const { measured, baseline, warmUp } = subject;
  if (warmUp) await warmUp();
  else {
    await measured();
    await baseline();
  }
  const rounds: Round[] = [];
  for (let i = 0; i < subject.rounds && (i === 0 || performance.now() < deadline); i++) {
    const first = await (i % 2 === 0 ? measured : baseline)();
    const second = await (i % 2 === 0 ? baseline : measured)();
    const round =
      i % 2 === 0 ? { measured: first, baseline: second } : { measured: second, baseline: first };
    rounds.push(round);
    onRound(round, i + 1);
  }
  return rounds;
}

/** The clock is read once per `batch`, so that reading it is not what is measured. @returns operations per second. */
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
