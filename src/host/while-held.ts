// What goes on in a process while it holds a right: begun when it gets it, ended when it loses it, and begun again.
import type { Logger } from '../core/log.ts';
import type { EngineLock } from '../store/engine-store.ts';

const RETRY_MS = 500;

export interface Work<Right extends EngineLock> {
  /** For the log: "what is sent". */
  name: string;
  log: Logger;
  /** undefined: others have it. */
  tryTake: () => Promise<Right | undefined>;
  begin: (right: Right) => Promise<void>;
  /** Ends what was begun, also where only a part of it was, and lets go of the right. */
  end: (right: Right) => Promise<void>;
}

export class WhileHeld<Right extends EngineLock> {
  readonly #work: Work<Right>;
  #right: Right | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;
  /** Beginning and ending, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(work: Work<Right>) {
    this.#work = work;
  }

  /** Begins now if this process gets the right, or later. */
  async start(): Promise<void> {
    this.#isOpen = true;
    this.#turn = this.#begin();
    try {
      await this.#turn;
    } catch (error) {
      // Otherwise this process would keep the right, and do nothing with it.
      this.#isOpen = false;
      await this.#end();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    await this.#turn.catch(() => undefined);
    await this.#end();
  }

  async #begin(): Promise<void> {
    if (!this.#isOpen) return;
    const right = await this.#work.tryTake();
    if (!right) return this.#tryLater();
    this.#right = right;
    void this.#lost(right);
    await this.#work.begin(right);
  }

  async #end(): Promise<void> {
    const right = this.#right;
    this.#right = undefined;
    if (right) await this.#work.end(right);
  }

  async #lost(right: Right): Promise<void> {
    await right.lost;
    if (!this.#isOpen || this.#right !== right) return;
    const { log, name } = this.#work;
    log.warn(
      `another process may do it now: this one could not renew its right to ${name} in time`,
    );
    this.#turn = this.#turn
      .catch(() => undefined)
      .then(() => this.#end())
      .then(() => this.#tryLater());
  }

  #tryLater(): void {
    if (!this.#isOpen) return;
    const retry = async () => {
      try {
        await this.#begin();
      } catch (error) {
        const { log, name } = this.#work;
        log.error({ err: error }, `this process could not begin to ${name}; trying again`);
        await this.#end();
        this.#tryLater();
      }
    };
    this.#timer = setTimeout(() => {
      this.#turn = retry();
    }, RETRY_MS);
  }
}
