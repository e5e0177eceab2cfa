// One place at which a host runs: at the same address, whichever process is there.
import { type Operator, operatorOf } from '../../examples/story/operator.ts';
import { freePort } from '../helpers/postgres-server.ts';
import { OPERATOR_TOKEN, SECRET_KEY } from '../helpers/start-host.ts';
import { type Child, startChild } from './child.ts';
import type { StartHost } from './programs/host.ts';

export type ReplicaOptions = Pick<StartHost, 'database' | 'jitter' | 'leaseMs' | 'baseUrl'>;

export class Replica {
  readonly port: number;
  readonly url: string;
  readonly operator: Operator;
  readonly #options: ReplicaOptions;
  #host: Child | undefined;
  /** Loaded, and waiting for its turn. */
  #spare: Promise<Child> | undefined;
  #offsetMs = 0;

  private constructor(options: ReplicaOptions, port: number) {
    this.#options = options;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.operator = operatorOf(this.url, OPERATOR_TOKEN);
  }

  static async at(options: ReplicaOptions): Promise<Replica> {
    return new Replica(options, await freePort());
  }

  get host(): Child {
    if (!this.#host) throw new Error('no host was started');
    return this.#host;
  }

  /** @returns when it serves, and delivers if nobody else does */
  async start(): Promise<void> {
    this.#host = await (this.#spare ?? startChild('host'));
    this.#spare = undefined;
    const question: StartHost = {
      ...this.#options,
      ask: 'start',
      port: this.port,
      operatorToken: OPERATOR_TOKEN,
      secretKey: SECRET_KEY,
      offsetMs: this.#offsetMs,
    };
    await this.#host.ask(question as unknown as Record<string, unknown>);
  }

  /** Lets the next host load while this one runs. */
  prepareNext(): void {
    this.#spare ??= startChild('host');
  }

  /** Ends as on SIGTERM. */
  async stop(): Promise<void> {
    await this.host.ask({ ask: 'close' });
    await this.host.kill();
  }

  /** Sets the clock of the machine that this host, and those that follow it, run on. */
  async setClock(offsetMs: number): Promise<void> {
    this.#offsetMs = offsetMs;
    await this.host.ask({ ask: 'clock', offsetMs });
  }

  async close(): Promise<void> {
    await this.#host?.kill();
    await (await this.#spare)?.kill();
  }
}
