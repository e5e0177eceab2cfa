// Where the outbox begins: below this number every event is fanned out. Deleted rows stay in table and index for as long as
// anybody's transaction could see them, and who looks for the first that is left would walk over all of them each time.
//
// Numbers are committed in any order, so it is not enough that nothing is there. But whoever takes a number has the id of
// its transaction before (publish.ts). A pass reads the last number that was taken, and gets an id of its own after that:
// when all transactions with smaller ids have ended, all numbers up to that one are there to be seen, or never will be.
// A transaction that has written and stays open holds this up; one that only reads does not.
import sql from 'sql-template-tag';

/** What a pass asks with its events: the oldest transaction that runs, the last number taken, and then an id of its own. */
export const MOMENT = sql`pg_snapshot_xmin(pg_current_snapshot())::text AS oldest,
  (SELECT concat(CASE WHEN is_called THEN last_value ELSE last_value - 1 END, ' ',
    CASE WHEN last_value IS NOT NULL THEN pg_current_xact_id() END) FROM mortise.event_numbers) AS taken`;

export interface Moment {
  oldest: string;
  taken: string;
}

export class OutboxStart {
  #seq = 0;
  #unsettled: { seq: number; xid: bigint } | undefined;

  get seq(): number {
    return this.#seq;
  }

  /** By a look from here on, of which this was the first event. */
  found(first: number, { oldest, taken }: Moment): void {
    if (this.#unsettled && BigInt(oldest) >= this.#unsettled.xid) {
      this.#seq = Math.max(this.#seq, Math.min(first, this.#unsettled.seq + 1));
      this.#unsettled = undefined;
    }
    if (this.#unsettled) return;
    const [seq, xid] = taken.split(' ') as [string, string];
    this.#unsettled = { seq: Number(seq), xid: BigInt(xid) };
  }

  /** A server may have forgotten what was done, or another have taken its place. */
  forget(): void {
    this.#seq = 0;
    this.#unsettled = undefined;
  }
}
