// Calls owed to add-ons about themselves, in order per installation, and every exchange that was made.
import sql, { raw } from 'sql-template-tag';
import type { LifecycleStore } from '../lifecycle-store.ts';
import type { ExchangeRecord, LifecycleCall } from '../rows.ts';
import type { Database } from './database.ts';
import { withoutNul } from './free-text.ts';
import type { Queries } from './queries.ts';

const CALL_COLUMNS =
  raw(`c.id, c.installation_id AS "installationId", c.kind, c.attempts, c.due_at AS "dueAt",
  c.created_at AS "createdAt"`);
/** The head of each queue only: a call waits for the one before it. */
const HEADS =
  raw(`(SELECT DISTINCT ON (installation_id) * FROM mortise.lifecycle_calls WHERE state = 'owed'
  ORDER BY installation_id, seq)`);

/** In the order of these calls they are made, so their installations are locked. One that is owed already stays so. */
export async function oweCalls(tx: Queries, calls: LifecycleCall[]): Promise<void> {
  if (calls.length === 0) return;
  const each = <K extends keyof LifecycleCall>(name: K) => calls.map((call) => call[name]);
  await tx.run(sql`INSERT INTO mortise.lifecycle_calls
      (id, installation_id, kind, state, attempts, due_at, created_at)
    SELECT id, installation_id, kind, 'owed', attempts, due_at, created_at
    FROM unnest(${each('id')}::text[], ${each('installationId')}::text[], ${each('kind')}::text[],
      ${each('attempts')}::bigint[], ${each('dueAt')}::bigint[], ${each('createdAt')}::bigint[]) WITH ORDINALITY
      AS c (id, installation_id, kind, attempts, due_at, created_at, place)
    ORDER BY place ON CONFLICT (id) DO NOTHING`);
}

export async function oweCall(tx: Queries, call: LifecycleCall | undefined): Promise<void> {
  if (call) await oweCalls(tx, [call]);
}

async function insertExchange(tx: Queries, exchange: ExchangeRecord): Promise<void> {
  await tx.run(sql`INSERT INTO mortise.lifecycle_exchanges (id, installation_id, kind, attempt, method, url, status,
      error_code, message, excerpt, at, duration_ms)
    VALUES (${exchange.id}, ${exchange.installationId}, ${exchange.kind}, ${exchange.attempt}, ${exchange.method},
      ${exchange.url}, ${exchange.status}, ${exchange.errorCode}, ${withoutNul(exchange.message)},
      ${withoutNul(exchange.excerpt)}, ${exchange.at}, ${exchange.durationMs})`);
}

export function lifecycleStore(db: Database): LifecycleStore {
  return {
    async hold(id, holder, now, until) {
      const held = await db.run(sql`UPDATE mortise.installations
        SET call_holder = ${holder}, call_held_until = ${until}
        WHERE id = ${id} AND (call_held_until IS NULL OR call_held_until <= ${now})`);
      return held === 1;
    },
    async release(id, holder) {
      await db.run(sql`UPDATE mortise.installations SET call_holder = NULL, call_held_until = NULL
        WHERE id = ${id} AND call_holder = ${holder}`);
    },
    due: (now, limit) =>
      db.all<LifecycleCall>(sql`SELECT ${CALL_COLUMNS} FROM ${HEADS} c
        WHERE c.due_at <= ${now} ORDER BY c.due_at LIMIT ${limit}`),
    async nextDueAt() {
      const row = await db.get<{ dueAt: number | null }>(
        sql`SELECT MIN(c.due_at) AS "dueAt" FROM ${HEADS} c`,
      );
      return row?.dueAt ?? undefined;
    },
    findOwed: (id) =>
      db.get<LifecycleCall>(sql`SELECT ${CALL_COLUMNS} FROM mortise.lifecycle_calls c
        WHERE c.id = ${id} AND c.state = 'owed'`),
    record: (callId, result, exchange) =>
      db.transaction(async (tx) => {
        const change =
          result.state === 'owed' ? sql`due_at = ${result.dueAt}` : sql`state = ${result.state}`;
        await tx.run(sql`UPDATE mortise.lifecycle_calls SET ${change}, attempts = attempts + 1
          WHERE id = ${callId} AND state = 'owed'`);
        await insertExchange(tx, exchange);
      }),
    async drop(callId) {
      await db.run(sql`UPDATE mortise.lifecycle_calls SET state = 'superseded'
        WHERE id = ${callId} AND state = 'owed'`);
    },
    addExchange: (exchange) => db.transaction((tx) => insertExchange(tx, exchange)),
    exchanges: (installationId, limit) =>
      db.all<ExchangeRecord>(sql`SELECT id, installation_id AS "installationId", kind, attempt, method, url, status,
          error_code AS "errorCode", message, excerpt, at, duration_ms AS "durationMs"
        FROM mortise.lifecycle_exchanges WHERE installation_id = ${installationId} ORDER BY seq DESC LIMIT ${limit}`),
  };
}
