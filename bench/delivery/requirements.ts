// What the peers need is fetched when it is missing, or the row says that it was skipped and why.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Skipped } from '../plan.ts';

const PEERS_FOLDER = fileURLToPath(new URL('../peers', import.meta.url));

/** Once, into a folder of their own: nobody who only uses Mortise gets them. @throws Skipped */
export async function installPeers(): Promise<void> {
  if (existsSync(`${PEERS_FOLDER}/node_modules/.package-lock.json`)) return;
  console.error('The peers are not installed yet: npm ci in bench/peers …');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: PEERS_FOLDER,
    stdio: ['ignore', 2, 2],
    timeout: 300_000,
  });
  if (status !== 0)
    throw new Skipped('npm ci in bench/peers has failed; see what it printed above');
}

/** @throws Skipped */
export function requireRedis(): void {
  if (spawnSync('redis-server', ['--version']).status === 0) return;
  throw new Skipped('redis-server is not installed: apt-get install redis-server');
}
