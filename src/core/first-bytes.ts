// The beginning of a stream, in one buffer: parts of it would each keep alive what they were cut from.

const NONE = Buffer.alloc(0);
const SMALLEST = 1024;

export class FirstBytes {
  readonly #most: number;
  #bytes: Buffer = NONE;
  #length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns whether all of it found room */
  add(chunk: Buffer): boolean {
    const kept = Math.min(chunk.length, this.#most - this.#length);
    const needed = this.#length + kept;
    if (needed > this.#bytes.length) {
      const wider = Buffer.allocUnsafe(
        Math.min(this.#most, Math.max(SMALLEST, needed, 2 * this.#bytes.length)),
      );
      this.#bytes.copy(wider, 0, 0, this.#length);
      this.#bytes = wider;
    }
    chunk.copy(this.#bytes, this.#length, 0, kept);
    this.#length = needed;
    return kept === chunk.length;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
