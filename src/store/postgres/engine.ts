// What whoever runs the engine does on the database beside deliveries.
import sql from 'sql-template-tag';
import type { DroppedDay, EngineStore } from '../store.ts';
import type { Database } from './database.ts';
import { type Days, type DayTable, endOf } from './days.ts';
import { tryLease } from './engine-lease.ts';
import type { Queries } from './queries.ts';
import { sweep } from './sweep.ts';

interface OwedByOthers {
  hasWork: boolean;
  /** Changes when a call, a security event or a replay comes or goes. */
  state: string;
}

export function engineStore(
  db: Database,
  days: Record<DayTable, Days>,
  leaseMs?: number,
): EngineStore {
  let seen: string | undefined;
  return {
    tryLock: () => tryLease(db, leaseMs),
    /** By presence: of what others have committed, numbers say nothing about the order. */
    async hasForeignChanges() {
      const row = (await db.get<OwedByOthers>(sql`SELECT
        EXISTS (SELECT 1 FROM mortise.outbox) OR EXISTS (SELECT 1 FROM mortise.recoveries) AS "hasWork",
        concat((SELECT count(*) || ':' || max(seq) FROM mortise.lifecycle_calls WHERE state = 'owed'), ' ',
          (SELECT count(*) || ':' || max(seq) FROM mortise.security_events WHERE state = 'owed'), ' ',
          (SELECT string_agg(id, ' ' ORDER BY id) FROM mortise.replays WHERE state = 'running')) AS state`))!;
      const hasChanged = row.state !== seen;
      seen = row.state;
      return row.hasWork || hasChanged;
    },
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
