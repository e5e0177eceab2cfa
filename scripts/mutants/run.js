// Breaks the server in one named way after another, in a copy, and expects the named test to notice. A test that
// nothing can turn red proves nothing.
//   npm run mutants            all
//   npm run mutants -- pkce    those whose name, promise, file or test contains "pkce"
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { CLIENTS } from './clients.js';
import { copyProject } from './copy.js';
import { GUARDS } from './guards.js';
import { faultsOf, filesOf, mutated } from './mutant.js';
import { POSTGRES } from './postgres.js';
import { REPLICAS } from './replicas.js';
import { HANDED_OUT } from './unwritten.js';

const MUTANTS = [...CLIENTS, ...GUARDS, ...POSTGRES, ...REPLICAS, ...HANDED_OUT];
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const AT_ONCE = 2;
/** Of one run. A mutant that hangs is noticed too. */
const MUTANT_MS = 90_000;
const BASELINE_MS = 300_000;

const wanted = process.argv.slice(2).map((word) => word.toLowerCase());
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'mortise-mutants-'));
const running = new Set();
let runs = 0;

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    for (const child of running) kill(child);
    fs.rmSync(folder, { recursive: true, force: true });
    process.exit(130);
  });
}

try {
  process.exitCode = await main();
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const copies = Array.from({ length: AT_ONCE }, (_, i) => path.join(folder, String(i)));
  copyProject(ROOT, copies[0], path.join(ROOT, 'node_modules'));
  for (const copy of copies.slice(1)) fs.cpSync(copies[0], copy, { recursive: true });

  // All of them, whatever is asked for: the list must not rot.
  const faults = faultsOf(MUTANTS, copies[0]);
  if (faults.length > 0) {
    for (const fault of faults) console.error(`stale: ${fault}`);
    return 2;
  }
  const mutants = MUTANTS.filter((mutant) => isWanted(mutant));
  if (mutants.length === 0) {
    console.error(`No mutant contains ${wanted.join(', ')}.`);
    return 2;
  }

  const tests = [...new Set(mutants.map(({ test }) => test))];
  console.log(`${tests.length} test files as they are`);
  const baselines = await inParallel(tests, copies, (test, copy) => baseline(test, mutants, copy));
  const problems = baselines.flat();
  if (problems.length > 0) {
    for (const problem of problems) console.error(problem);
    return 2;
  }

  console.log(`${mutants.length} mutants`);
  const noticed = await inParallel(mutants, copies, judge);
  const survivors = mutants.filter((_, i) => !noticed[i]);
  const names = survivors.map(({ name }) => `\n  ${name}`).join('');
  console.log(`${mutants.length - survivors.length} red, ${survivors.length} not${names}`);
  return survivors.length === 0 ? 0 : 1;
}

function isWanted(mutant) {
  if (wanted.length === 0) return true;
  const { name, guards, test } = mutant;
  const text = [name, guards, test, ...filesOf(mutant)].join('\n').toLowerCase();
  return wanted.some((word) => text.includes(word));
}

/** Each copy does one thing at a time. @returns the results in the order of the items */
async function inParallel(items, copies, work) {
  const results = [];
  let next = 0;
  await Promise.all(
    copies.map(async (copy) => {
      while (next < items.length) {
        const i = next++;
        results[i] = await work(items[i], copy);
      }
    }),
  );
  return results;
}

/** Green, and with a test for every `grep` that is used on it: mocha takes a grep without a match for success. */
async function baseline(test, mutants, copy) {
  const run = await mocha(copy, { test, ms: BASELINE_MS });
  if (!run.report || run.report.stats.failures > 0) {
    return [`not green before anything was changed: ${test}\n${describe(run)}`];
  }
  const titles = run.report.passes.map(({ fullTitle }) => fullTitle);
  console.log(`  green ${test} (${titles.length} tests, ${run.seconds} s)`);
  return mutants
    .filter((mutant) => mutant.test === test)
    .filter(({ grep = '' }) => !titles.some((title) => title.includes(grep)))
    .map(({ name, grep }) => `stale: ${name}: no passing test in ${test} contains "${grep ?? ''}"`);
}

/** @returns whether the mutant was noticed */
async function judge(mutant, copy) {
  const { name, test, grep } = mutant;
  const originals = filesOf(mutant).map((file) => [
    path.join(copy, file),
    fs.readFileSync(path.join(copy, file), 'utf8'),
  ]);
  for (const [file, text] of mutated(mutant, copy)) fs.writeFileSync(path.join(copy, file), text);
  try {
    const run = await mocha(copy, { test, grep, ms: MUTANT_MS, isMutant: true });
    const [verdict, why] = verdictOf(run);
    console.log(`  ${verdict} ${name} — ${mutant.guards} [${why}, ${run.seconds} s]`);
    return verdict === 'red';
  } finally {
    for (const [file, text] of originals) fs.writeFileSync(file, text);
  }
}

function verdictOf(run) {
  if (run.isHung) return ['red', `hung for ${MUTANT_MS / 1000} s`];
  // Code that does not even load says nothing about the test.
  if (!run.report) return ['BROKEN', describe(run)];
  const [failure] = run.report.failures;
  return failure
    ? ['red', failure.fullTitle]
    : ['SURVIVED', `${run.report.stats.passes} tests pass`];
}

function describe({ report, isHung, output }) {
  if (isHung) return 'it did not end in time';
  if (!report) return `mocha gave no report: ${output.slice(-2_000)}`;
  return report.failures.map(({ fullTitle, err }) => `  ${fullTitle}: ${err.message}`).join('\n');
}

function mocha(copy, { test, grep, ms, isMutant = false }) {
  const file = path.join(folder, `report-${runs++}.json`);
  const { timeout } = JSON.parse(fs.readFileSync(path.join(copy, '.mocharc.json'), 'utf8'));
  // Without the project's configuration: its `spec` would be added to the one file.
  const args = [
    ...['--import', 'tsx', 'node_modules/mocha/bin/mocha.js', '--no-config', '--exit'],
    ...['--timeout', String(timeout), '--reporter', 'json', '--reporter-option', `output=${file}`],
    ...(isMutant ? ['--bail'] : []),
    ...(grep === undefined ? [] : ['--fgrep', grep]),
    test,
  ];
  const started = performance.now();
  return new Promise((done) => {
    // A group of its own, so that what a test has started ends with it.
    const child = spawn(process.execPath, args, { cwd: copy, detached: true });
    running.add(child);
    let output = '';
    let isHung = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output = (output + text).slice(-10_000);
      });
    }
    const deadline = setTimeout(() => {
      isHung = true;
      kill(child);
    }, ms);
    child.on('exit', () => {
      clearTimeout(deadline);
      running.delete(child);
      kill(child);
      const seconds = Math.round((performance.now() - started) / 100) / 10;
      done({ report: isHung ? undefined : readReport(file), isHung, output, seconds });
    });
  });
}

function readReport(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended, and so have its children.
  }
}
