// What whoever leads does on the database, and how a process comes to send.
import sql, { raw } from 'sql-template-tag';
import type { DroppedDay, EngineStore } from '../engine-store.ts';
import type { StoreObserver } from '../observer.ts';
import type { Database } from './database.ts';
import { type Days, type DayTable, endOf } from './days.ts';
import { tryLease } from './engine-lease.ts';
import type { OwnBuckets } from './own-buckets.ts';
import type { Queries } from './queries.ts';
import { joinReplicas } from './share.ts';
import type { Starts } from './starts.ts';
import { sweep } from './sweep.ts';

/** How soon an add-on is told of what another process has done. */
const OWED_EVERY_MS = 250;
/** Of what is owed the newest are looked at. */
const MOST_LOOKED_AT = 100;
const CALLS = newestOf('seq', `lifecycle_calls WHERE state = 'owed'`);
const SECURITY_EVENTS = newestOf('seq', `security_events WHERE state = 'owed'`);
const REPLAYS = newestOf('id', `replays WHERE state = 'running'`);

interface Owed {
  /** Changes when one of the newest calls, security events or replays comes or goes. */
  state: string;
  /** Than was looked at. */
  isMore: boolean;
}

export function engineStore(
  db: Database,
  days: Record<DayTable, Days>,
  own: OwnBuckets,
  starts: Starts,
  { leaseMs, observer }: { leaseMs?: number; observer?: StoreObserver },
): EngineStore {
  let seen: string | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  /** By presence: of what others have committed, numbers say nothing about the order. */
  async function hasForeignChanges(): Promise<boolean> {
    if (performance.now() - lookedAt < OWED_EVERY_MS) return false;
    lookedAt = performance.now();
    const { state, isMore } =
      (await db.get<Owed>(sql`SELECT concat(calls, events, replays) AS state,
        GREATEST(cardinality(calls), cardinality(events), cardinality(replays)) > ${MOST_LOOKED_AT}::int AS "isMore"
      FROM (SELECT ${CALLS} AS calls, ${SECURITY_EVENTS} AS events, ${REPLAYS} AS replays) owed`))!;
    const hasChanged = state !== seen;
    seen = state;
    return hasChanged || isMore;
  }
  return {
    tryLock: () => tryLease(db, leaseMs),
    tryShare: () => joinReplicas({ db, own, starts, observer, leaseMs }),
    hasForeignChanges,
    sweep: (now, loggedSince) => sweep(db, now, loggedSince),
    async turnDays(now, retention) {
      const dropped: DroppedDay[] = [];
      for (const kind of ['events', 'attempts'] as const) {
        await days[kind].makeAhead(now);
        for (const day of await days[kind].endedBefore(now - retention[kind])) {
          const forget =
            kind === 'events' ? (tx: Queries) => forgetEvents(tx, endOf(day)) : undefined;
          if (await days[kind].drop(day, forget)) dropped.push({ kind, day });
        }
      }
      return dropped;
    },
  };
}

async function forgetEvents(tx: Queries, before: number): Promise<void> {
  await tx.run(sql`INSERT INTO mortise.settings AS s (name, value) VALUES ('events_forgotten_before', ${String(before)})
    ON CONFLICT (name) DO UPDATE SET value = GREATEST(s.value::bigint, excluded.value::bigint)::text`);
}

/** One more than is looked at tells that there are more. */
function newestOf(column: string, what: string) {
  return raw(
    `ARRAY(SELECT ${column} FROM mortise.${what} ORDER BY ${column} DESC LIMIT ${MOST_LOOKED_AT + 1})`,
  );
}
