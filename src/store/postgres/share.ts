// The buckets for which this process sends. One row says that it lives, and is renewed; a bucket is free if its owner has
// no such row. A row that ran out is deleted by whoever sees it first, and never made again: a renewal finds that out.
// Nothing here is locked between two statements, so that a process that stands still keeps nobody waiting.
import { setTimeout as sleep } from 'node:timers/promises';
import sql from 'sql-template-tag';
import { bucketOf, newId } from '../../core/ids.ts';
import type { FoundWork, Sender, Share } from '../engine-store.ts';
import type { StoreObserver } from '../observer.ts';
import { type Bucket, freeBuckets, look, takeBuckets } from './buckets.ts';
import { now } from './clocks.ts';
import { type Database, DURABLE } from './database.ts';
import { findLanes, findOwed } from './deliveries.ts';
import { takeHanded } from './handed.ts';
import { lifetimeOf } from './lifetime.ts';
import { countUntold } from './owed-count.ts';
import type { OwnBuckets } from './own-buckets.ts';
import { expiryOf, LEASE_MS, RenewedRight } from './renewed-right.ts';
import { untilReplicaIsThrough } from './replica-lock.ts';
import type { Starts } from './starts.ts';

const TICK_MS = 500;
/** From one look at what is still under way in buckets that are to be handed over to the next. */
const QUIET_MS = 50;
const RETRY_MS = 1_000;
/** Deliveries by their ids, about; the rest is read lane by lane. */
const MOST_READ = 2_000;
const NOTHING = { owed: [], installationIds: [] };

export interface ShareParts {
  db: Database;
  own: OwnBuckets;
  starts: Starts;
  observer: StoreObserver | undefined;
  leaseMs?: number;
}

/** It has no bucket yet. */
export async function joinReplicas(parts: ShareParts): Promise<Share> {
  const { db, own, starts, leaseMs = LEASE_MS } = parts;
  const replica = newId();
  const began = now();
  const lifetime = await db.transaction(async (tx) => {
    await tx.run(
      sql`INSERT INTO mortise.replicas (id, expires_at) VALUES (${replica}, ${expiryOf(leaseMs)})`,
    );
    return lifetimeOf(tx);
  });
  // Of what PostgreSQL has forgotten in a crash it would know nothing: it joins anew then, and reads what is owed. Each look
  // for work says so too, and sooner.
  const renew = async () =>
    (
      await db.alone(sql`UPDATE mortise.replicas SET expires_at = ${expiryOf(leaseMs)} WHERE id = ${replica}
        AND EXISTS (SELECT 1 FROM mortise.lifetime WHERE id = ${lifetime}) RETURNING ${DURABLE}`)
    ).length === 1;
  starts.forget();
  own.join(replica, lifetime);
  return new BucketShare(parts, replica, lifetime, new RenewedRight(renew, leaseMs, began));
}

class BucketShare implements Share {
  readonly lost: Promise<void>;
  readonly lifetime: string;
  readonly #parts: ShareParts;
  readonly #replica: string;
  readonly #right: RenewedRight;
  #sender!: Sender;
  #timer: NodeJS.Timeout | undefined;
  #isSettling = false;
  #isHandingOver = false;
  #isReleased = false;
  /** What changes hands, and word of what is owed there, one after the other: so that each is counted once. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ShareParts, replica: string, lifetime: string, right: RenewedRight) {
    this.#parts = parts;
    this.#replica = replica;
    this.lifetime = lifetime;
    this.#right = right;
    this.lost = right.lost.then(() => this.#end());
  }

  isHeld(): boolean {
    return this.#right.isHeld();
  }

  includes(installationId: string): boolean {
    return this.#parts.own.includes(installationId);
  }

  get size(): number {
    return this.#parts.own.held.length;
  }

  async start(sender: Sender): Promise<void> {
    this.#sender = sender;
    await this.#settle();
    this.#timer = setInterval(() => {
      // The next time: whoever has something to read or to write says what is wrong with the database.
      this.#settle().catch(() => undefined);
    }, TICK_MS).unref();
  }

  async lookForWork(): Promise<FoundWork | undefined> {
    const { db, own, starts } = this.#parts;
    const { open } = own;
    if (open?.length === 0) return undefined;
    const { hasWork, isTold, lifetime } = await look(db, open, starts.outbox.seq);
    if (lifetime !== this.lifetime) {
      this.#right.lose();
      return undefined;
    }
    if (!isTold && !hasWork) return undefined;
    const told = isTold ? await this.#inTurn(() => this.#takeHanded()) : NOTHING;
    return { ...told, hasMore: hasWork };
  }

  async release(drained: Promise<void> = Promise.resolve()): Promise<void> {
    const { db, own } = this.#parts;
    const isHeld = this.isHeld();
    this.#isReleased = true;
    clearInterval(this.#timer);
    if (isHeld && own.held.length > 0) {
      let isDrained = false;
      const end = () => {
        isDrained = true;
      };
      void drained.then(end, end);
      // Those who stay share out all of it.
      await db
        .alone(sql`UPDATE mortise.replicas SET is_leaving = true WHERE id = ${this.#replica}`)
        .catch(() => []);
      await this.#handOver(own.held, () => isDrained);
    }
    await drained;
    this.#end();
    // If that fails, it runs out.
    await db.alone(sql`DELETE FROM mortise.replicas WHERE id = ${this.#replica}`).catch(() => []);
  }

  #end(): void {
    this.#isReleased = true;
    clearInterval(this.#timer);
    this.#right.end();
    if (this.#parts.own.replica === this.#replica) this.#parts.own.leave();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #takeHanded(): Promise<Omit<FoundWork, 'hasMore'>> {
    const { db, own, observer } = this.#parts;
    try {
      const rows = await takeHanded(db, own);
      observer?.owed(rows.reduce((sum, { count }) => sum + count, 0));
      const ids: string[] = [];
      const installationIds: string[] = [];
      for (const { installationId, count, deliveryIds } of rows) {
        if (deliveryIds && ids.length < MOST_READ) ids.push(...deliveryIds);
        else if (count > 0) installationIds.push(installationId);
      }
      return { owed: await findOwed(db, ids), installationIds };
    } catch (error) {
      this.#sender.mayOweMore();
      throw error;
    }
  }

  /** One look at who is there and what is free, and a step to a fair share. */
  async #settle(): Promise<void> {
    if (this.#isSettling || !this.isHeld()) return;
    this.#isSettling = true;
    try {
      const { db, own, leaseMs = LEASE_MS } = this.#parts;
      const { free, fair } = await freeBuckets(db, own, leaseMs);
      const open = own.held.length - own.leaving.length;
      if (open < fair && free.length > 0) {
        await this.#inTurn(() => this.#take(anyOf(free, fair - open)));
      } else if (open > fair && !this.#isHandingOver) {
        const surplus = (own.open ?? own.held).slice(fair);
        void this.#handOver(surplus, () => this.#isReleased);
      }
    } finally {
      this.#isSettling = false;
    }
  }

  /** What is read in between is of buckets that are not its own yet: of what comes meanwhile there is word. */
  async #take(free: Bucket[]): Promise<void> {
    const { db, own, starts, observer } = this.#parts;
    if (this.#isReleased) return;
    const taken = await takeBuckets(db, this.#replica, free);
    if (taken.length === 0) return;
    const owed = await countUntold(db, taken);
    const lanes = await findLanes(db, taken);
    if (this.#isReleased) return;
    starts.forget();
    own.add(taken);
    observer?.owed(owed);
    this.#sender.taken(lanes);
    const before = new Set(free.filter(({ id }) => taken.includes(id)).map(({ owner }) => owner));
    for (const owner of before) if (owner !== null) void this.#readAgain(owner);
  }

  /** What a replica that is gone has made due with its last transaction. */
  async #readAgain(owner: string): Promise<void> {
    const { db } = this.#parts;
    while (!this.#isReleased) {
      try {
        await untilReplicaIsThrough(db, owner);
        this.#sender.mayOweMore();
        return;
      } catch {
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  /** Bucket by bucket, as nothing is under way there any more: one that hangs keeps back its own. */
  async #handOver(buckets: number[], isOver: () => boolean): Promise<void> {
    const { db, own } = this.#parts;
    this.#isHandingOver = true;
    own.startLeaving(buckets);
    this.#sender.letGo();
    let isThrough = false;
    while (own.leaving.length > 0 && !isOver()) {
      try {
        // A fan-out that began before has left no word.
        if (!isThrough) await untilReplicaIsThrough(db, this.#replica);
        isThrough = true;
        await this.#inTurn(() => this.#giveUpQuiet());
      } catch {
        // They are its own until that has succeeded.
      }
      if (own.leaving.length > 0) await sleep(QUIET_MS, undefined, { ref: false });
    }
    this.#isHandingOver = false;
  }

  async #giveUpQuiet(): Promise<void> {
    const { db, own, observer } = this.#parts;
    const busy = new Set(this.#sender.lingering().map(bucketOf));
    const quiet = own.leaving.filter((bucket) => !busy.has(bucket));
    if (quiet.length === 0) return;
    const owed = await countUntold(db, quiet);
    await db.alone(sql`UPDATE mortise.buckets SET owner = NULL
      WHERE id = ANY (${quiet}::smallint[]) AND owner = ${this.#replica}`);
    own.remove(quiet);
    observer?.owed(-owed);
  }
}

/** From anywhere on: several that look at the same time do not all try to get the same. */
function anyOf(free: Bucket[], count: number): Bucket[] {
  const start = Math.floor(Math.random() * free.length);
  return [...free.slice(start), ...free.slice(0, start)].slice(0, count);
}
