// npm test: everything, several files at once; then, alone, what is played with faults and looks at who is held up.
import { spawnSync } from 'node:child_process';
import process from 'node:process';

const suites = [
  ['--config', '.mocharc.json'],
  ['--config', '.mocharc.faults.json'],
];
const failed = suites.filter((args) => {
  const { status } = spawnSync('npx', ['mocha', ...args], { stdio: 'inherit' });
  return status !== 0;
});
process.exitCode = failed.length > 0 ? 1 : 0;
