// npm test: everything, several files at once; what depends on a store again, on the other store; then, alone, the faults
// that look at who is held up, and for how long, on either. What failed is said again at the end.
import { spawn } from 'node:child_process';
import process from 'node:process';
import { stripVTControlCharacters } from 'node:util';

const suites = [
  '.mocharc.json',
  '.mocharc.postgres.cjs',
  '.mocharc.faults.json',
  '.mocharc.faults-postgres.cjs',
];

/** @returns undefined, or what mocha says in the end of what failed */
async function run(config) {
  const isTerminal = process.stdout.isTTY;
  const mocha = spawn('npx', ['mocha', '--config', config, ...(isTerminal ? ['--color'] : [])], {
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => mocha.once('close', resolve));
  let output = '';
  for await (const text of mocha.stdout.setEncoding('utf8')) {
    process.stdout.write(text);
    output += text;
  }
  const code = await ended;
  if (code === 0) return undefined;
  const [, summary] = stripVTControlCharacters(output).split(/^ +\d+ failing$/m);
  return summary ?? `mocha ended with code ${code}.\n`;
}

const failed = [];
for (const config of suites) {
  console.log(`\n${config}`);
  const failures = await run(config);
  if (failures !== undefined) failed.push(`\n${config}\n${failures}`);
}
if (failed.length > 0) {
  console.log(`\nWhat failed:\n${failed.join('')}`);
  process.exitCode = 1;
}
