// Where an attempt is made alone: it can take no other with it.
import type { AskedAttempt, Attempted } from './attempt.ts';
import type { AttemptThread } from './attempt-thread.ts';

export class OneByOne {
  readonly #thread: AttemptThread;
  #last: Promise<unknown> = Promise.resolve();

  constructor(thread: AttemptThread) {
    this.#thread = thread;
  }

  make(asked: AskedAttempt): Promise<Attempted> {
    const made = this.#last.then(() => this.#thread.make(asked));
    this.#last = made.catch(() => undefined);
    return made;
  }
}
