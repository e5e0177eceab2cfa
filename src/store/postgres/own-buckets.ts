// Which buckets this process sends for, as far as it knows: what the other parts of the store ask. All of them, while it
// has asked for no share: a store by itself, in a test or a tool.
import { BUCKETS, bucketOf } from '../../core/ids.ts';

export class OwnBuckets {
  /** As other replicas know this one; undefined: not at all. */
  replica: string | undefined;
  /** Of PostgreSQL, in which it has joined last. */
  lifetime: string | undefined;
  readonly #held = new Set<number>();
  readonly #leaving = new Set<number>();
  #isAlone = true;

  /** It shares with others from now on, and has nothing yet. */
  join(replica: string, lifetime: string): void {
    this.#isAlone = false;
    this.replica = replica;
    this.lifetime = lifetime;
  }

  /** What it had is of others. */
  leave(): void {
    this.replica = undefined;
    this.#held.clear();
    this.#leaving.clear();
  }

  get isAlone(): boolean {
    return this.#isAlone;
  }

  add(buckets: number[]): void {
    for (const bucket of buckets) this.#held.add(bucket);
  }

  /** Nothing more begins in these; they are its own until they are removed. */
  startLeaving(buckets: number[]): void {
    for (const bucket of buckets) this.#leaving.add(bucket);
  }

  remove(buckets: number[]): void {
    for (const bucket of buckets) {
      this.#held.delete(bucket);
      this.#leaving.delete(bucket);
    }
  }

  /** Also those that it is about to hand over. */
  get held(): number[] {
    return [...this.#held];
  }

  get leaving(): number[] {
    return [...this.#leaving];
  }

  /** Those in which it may begin something; undefined: all there are. */
  get open(): number[] | undefined {
    if (this.#isAlone || (this.#held.size === BUCKETS && this.#leaving.size === 0))
      return undefined;
    return this.held.filter((bucket) => !this.#leaving.has(bucket));
  }

  includes(installationId: string): boolean {
    if (this.#isAlone) return true;
    const bucket = bucketOf(installationId);
    return this.#held.has(bucket) && !this.#leaving.has(bucket);
  }

  /** Whether it answers for what is owed to this installation, until that is handed over. */
  holds(installationId: string): boolean {
    return this.#isAlone || this.#held.has(bucketOf(installationId));
  }

  /** One of its own, the same for as long as it is. */
  get preferred(): number | undefined {
    for (const bucket of this.#held) if (!this.#leaving.has(bucket)) return bucket;
    return undefined;
  }
}
