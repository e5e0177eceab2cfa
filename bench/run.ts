// npm run bench: `-- --quick` for a short look, `-- ROW…` for some rows, `-- --profile FOLDER` to see where time goes.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Plan } from './plan.ts';
import { closeProcesses, profileInto } from './processes/parent.ts';
import { report, reportMissing } from './report.ts';
import { ROWS } from './rows.ts';

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, profile: { type: 'string' } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !(name in ROWS));
if (unknown.length > 0) {
  console.error(`There is no row "${unknown.join('", "')}". Rows: ${Object.keys(ROWS).join(', ')}`);
  process.exit(2);
}
const names = positionals.length > 0 ? positionals : Object.keys(ROWS);
if (values.profile) profileInto(values.profile);

const plan: Plan = {
  isQuick: values.quick,
  folder: mkdtempSync(join(tmpdir(), 'mortise-bench-')),
  rowLimitMs: values.quick ? 12_000 : 180_000,
};
let isGivenUp = false;
process.once('exit', () => rmSync(plan.folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // A package that ends the process by itself would do so before everything else has ended.
  process.removeAllListeners(signal);
  process.once(signal, () => void giveUp());
}
// A round that has begun is played to its end, and something has to be set up before the first.
setTimeout(
  () => {
    console.error('The benchmarks do not end; giving up.');
    void giveUp();
  },
  names.length * (plan.rowLimitMs + 600_000),
).unref();

async function giveUp(): Promise<never> {
  isGivenUp = true;
  await closeProcesses();
  process.exit(1);
}

const machine = {
  cores: availableParallelism(),
  node: process.version,
  platform: process.platform,
  arch: process.arch,
};
console.log(JSON.stringify({ machine, quick: plan.isQuick }));
console.error(
  `${machine.cores} cores, Node ${machine.node}. Compare the ratios, never speeds from different runs.`,
);
if (plan.isQuick) {
  console.error('A quick look: short runs flatter whatever keeps things on disk.');
}

for (const name of names) {
  try {
    const row = await ROWS[name]!(plan);
    try {
      await report(row, plan.rowLimitMs);
    } finally {
      await row.close();
    }
  } catch (error) {
    // Its processes were ended under it.
    if (isGivenUp) break;
    if (reportMissing(name, error)) process.exitCode = 1;
    await closeProcesses();
  }
}
