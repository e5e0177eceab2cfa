// One timer for many deadlines of the same length: they end in the order in which they began, and
// most of them never. A list linked through its members, since a Set costs the garbage collector more
// than all the rest of a request.

export abstract class Limited {
  readonly started = performance.now();
  earlier: Limited | undefined;
  later: Limited | undefined;

  abstract expire(): void;
}

export class Deadlines {
  readonly ms: number;
  #first: Limited | undefined;
  #last: Limited | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.ms = ms;
  }

  begin(limited: Limited): void {
    limited.earlier = this.#last;
    if (this.#last) this.#last.later = limited;
    else this.#first = limited;
    this.#last = limited;
    this.#timer ??= this.#wake(this.ms);
  }

  end(limited: Limited): void {
    const { earlier, later } = limited;
    if (earlier) earlier.later = later;
    else if (this.#first === limited) this.#first = later;
    if (later) later.earlier = earlier;
    else if (this.#last === limited) this.#last = earlier;
    // An old one that still pointed to younger ones would keep them from being collected early.
    limited.earlier = undefined;
    limited.later = undefined;
  }

  #wake(ms: number): NodeJS.Timeout {
    // What is waited for keeps the process alive, not the waiting.
    return setTimeout(() => this.#expire(), ms).unref();
  }

  #expire(): void {
    this.#timer = undefined;
    for (let limited = this.#first; limited; limited = this.#first) {
      const left = limited.started + this.ms - performance.now();
      if (left > 0) {
        this.#timer = this.#wake(Math.ceil(left));
        return;
      }
      this.end(limited);
      limited.expire();
    }
  }
}
