// A Redis of one's own that loses nothing it has confirmed: every write is on disk before it is answered.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../processes/free-port.ts';

const START_LIMIT_MS = 10_000;
const LOG = 'redis.log';

/** @param {string} folder @returns {Promise<{ port: number, pid: number, stop(): Promise<void> }>} */
export async function startRedis(folder) {
  const port = await freePort();
  const server = spawn(
    'redis-server',
    [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
      ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
      ...['--maxmemory-policy', 'noeviction', '--logfile', LOG],
    ],
    { stdio: 'ignore' },
  );
  const ended = once(server, 'exit');
  // If this process crashes, Redis must not outlive it.
  process.once('exit', () => server.kill('SIGKILL'));
  const patience = Date.now() + START_LIMIT_MS;
  while (!(await isListening(port))) {
    if (server.exitCode !== null || Date.now() > patience) {
      throw new Error(`Redis does not start:\n${readFileSync(join(folder, LOG), 'utf8')}`);
    }
    await wait(50);
  }
  return {
    port,
    pid: /** @type {number} */ (server.pid),
    async stop() {
      server.kill('SIGTERM');
      await ended;
    },
  };
}

/** @param {number} port @returns {Promise<boolean>} */
function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (/** @type {boolean} */ is) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
