// npm test: everything, several files at once; what depends on a store again, on the other store; then, alone, the faults
// that look at who is held up, and for how long, on either.
import { spawnSync } from 'node:child_process';
import process from 'node:process';

const suites = [
  '.mocharc.json',
  '.mocharc.postgres.cjs',
  '.mocharc.faults.json',
  '.mocharc.faults-postgres.cjs',
];
const failed = suites.filter((config) => {
  console.log(`\n${config}`);
  const { status } = spawnSync('npx', ['mocha', '--config', config], { stdio: 'inherit' });
  return status !== 0;
});
process.exitCode = failed.length > 0 ? 1 : 0;
