// PgBouncer in transaction mode, between hosts and their PostgreSQL; it may be killed and started again.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../helpers/postgres-server.ts';
import { until } from '../helpers/until.ts';

const PROGRAM = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find(existsSync);

export const isPgBouncerHere = PROGRAM !== undefined;

export class PgBouncer {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'mortise-pgbouncer-'));
  #process: ChildProcess | undefined;

  private constructor(port: number, postgresPort: number) {
    this.port = port;
    writeFileSync(
      join(this.#folder, 'pgbouncer.ini'),
      `[databases]
* = host=127.0.0.1 port=${postgresPort} user=mortise password=mortise
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = 20
server_login_retry = 1
`,
      { mode: 0o644 },
    );
    execFileSync('chmod', ['755', this.#folder]);
  }

  static async start(postgresPort: number): Promise<PgBouncer> {
    const bouncer = new PgBouncer(await freePort(), postgresPort);
    await bouncer.start();
    return bouncer;
  }

  async start(): Promise<void> {
    const child = spawn(PROGRAM!, [join(this.#folder, 'pgbouncer.ini')], {
      // It refuses to run as root.
      ...(process.getuid?.() === 0 && { uid: idOf('-u'), gid: idOf('-g') }),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000);
    });
    this.#process = child;
    process.once('exit', this.#end);
    const isListening = async () => {
      if (child.exitCode !== null) throw new Error(`PgBouncer does not start:\n${said}`);
      return canConnect(this.port);
    };
    await until(isListening, 'PgBouncer to listen');
  }

  /** Every connection breaks, wherever its transaction is. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    process.off('exit', this.#end);
    if (!child || child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** It must not outlive this process. */
  readonly #end = () => void this.#process?.kill('SIGKILL');
}

function idOf(which: '-u' | '-g'): number {
  return Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' }));
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).once('error', () => resolve(false));
  });
}
