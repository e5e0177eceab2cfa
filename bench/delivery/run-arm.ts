// One arm under one load, from its first event to the last distinct delivery at the receiver.
import { setTimeout as wait } from 'node:timers/promises';
import type { BenchProcess } from '../processes/parent.ts';
import type { BenchAddon } from './addons.ts';
import type { Load, Loaded } from './arm.ts';
import type { SinkReport } from './sink.ts';
import { verifySample } from './verify-sample.ts';

/** A load that takes longer has failed. */
const RUN_LIMIT_MS = 240_000;
/** What arrives twice does so within this, or it is the next run that notices. */
const LATE_MS = 100;

export interface ArmRun {
  /** Distinct deliveries per second. */
  speed: number;
  /** Shares of one core; what databases of their own take is not in it. */
  armCpu: number;
  sinkCpu: number;
  /** Requests for deliveries that had arrived before. */
  repeated: number;
}

/** @throws if not everything arrives, or a signature is wrong. */
export async function runArm(
  arm: BenchProcess,
  sink: BenchProcess,
  addons: readonly BenchAddon[],
  load: Load,
): Promise<ArmRun> {
  const expected = load.events * (load.fanOut === 'all' ? addons.length : 1);
  await sink.ask('expect', { isAged: false });
  const before = await cpuOf(arm, sink);
  const [{ startedAt }, reachedAt] = await Promise.all([
    arm.ask<Loaded>('run', load, RUN_LIMIT_MS),
    sink.ask<number>('reached', expected, RUN_LIMIT_MS),
  ]);
  const after = await cpuOf(arm, sink);
  const elapsedMs = reachedAt - startedAt;
  await wait(LATE_MS);
  const { received, distinct, sample } = await sink.ask<SinkReport>('report');
  if (distinct !== expected) throw new Error(`${distinct} deliveries instead of ${expected}.`);
  verifySample(sample, addons);
  return {
    speed: expected / (elapsedMs / 1_000),
    armCpu: (after[0]! - before[0]!) / elapsedMs,
    sinkCpu: (after[1]! - before[1]!) / elapsedMs,
    repeated: received - distinct,
  };
}

const cpuOf = (...processes: BenchProcess[]) =>
  Promise.all(processes.map((each) => each.ask<number>('cpu')));
