// npm run bench: one JSON line per figure on stdout, a line for people on stderr. `-- --quick` for a short look.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { descriptorValidation } from './descriptor-validation.ts';
import { guardedCalls } from './guarded-call.ts';
import { median, playRounds, type Subject, summarize } from './rounds.ts';
import { openHost, seed } from './seeded-host.ts';
import { tokenCheck } from './token-check.ts';

const { quick } = parseArgs({ options: { quick: { type: 'boolean' } } }).values;
const plan = quick
  ? { rounds: 5, inProcess: 100, overHttp: 250, installations: 10, limit: 15_000 }
  : { rounds: 15, inProcess: 250, overHttp: 500, installations: 100, limit: 60_000 };

const folder = mkdtempSync(join(tmpdir(), 'mortise-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
setTimeout(() => {
  console.error(`The benchmarks have not ended after ${plan.limit / 1000} s; giving up.`);
  process.exit(1);
}, plan.limit).unref();

const machine = {
  cores: availableParallelism(),
  node: process.version,
  platform: process.platform,
  arch: process.arch,
};
console.log(JSON.stringify({ machine, quick: quick ?? false }));
console.error(
  `${machine.cores} cores, Node ${machine.node}. Compare the ratios, never speeds from different runs.`,
);

const database = join(folder, 'mortise.db');
const host = openHost(database);
const tokens = await seed(host, plan.installations);

const checks = tokenCheck(host, database, tokens, plan.inProcess);
await report(checks, 0.3);
checks.close();

const calls = await guardedCalls(database, tokens, plan.overHttp);
await report(calls.subjects[0]!, 0.6);
await report(calls.subjects[1]!, 0.85);
await calls.close();

await report(descriptorValidation(plan.inProcess), 0.95);
await host.close();

/** @param share of the whole time that may have passed when it ends. */
async function report(subject: Subject, share: number): Promise<void> {
  const { bench, of, unit } = subject;
  const played = await playRounds(subject, plan.rounds, plan.limit * share);
  const { ratio, min, max, rounds } = summarize(played);
  const extra = Object.entries(subject.extra?.() ?? {}).map(([name, value]) => [
    name,
    short(value),
  ]);
  console.log(
    JSON.stringify({
      bench,
      ratio: short(ratio),
      of,
      unit,
      rounds,
      min: short(min),
      max: short(max),
      ...Object.fromEntries(extra),
    }),
  );
  const speed = Math.round(median(played.map(({ measured }) => measured)));
  console.error(
    `${bench}: ${short(ratio)} of ${of} (${short(min)}..${short(max)} in ${rounds} rounds; here about ${speed.toLocaleString('en')} ${unit})${extra.map(([name, value]) => `; ${name} ${value}`).join('')}`,
  );
  if (rounds < plan.rounds) {
    console.error(
      `  ${rounds} of ${plan.rounds} rounds in the time there was: the machine is busy.`,
    );
  }
}

function short(value: number): number {
  return Number(value.toPrecision(3));
}
