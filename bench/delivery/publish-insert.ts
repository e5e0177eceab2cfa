// Publishing, to nothing but an INSERT of the same payload that is as durable: SQLite, FULL, one commit for all that
// ask in the same turn of the event loop. Both under the same number of publishers.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { OpenRow } from '../plan.ts';
import { perSecond } from '../rounds.ts';
import { openHost } from '../seeded-host.ts';
import { CONCURRENCY } from './arm.ts';
import { inParallel } from './in-parallel.ts';
import { EVENT_TYPE, pushPayload } from './push-event.ts';

const PER_LOOK = 1_280;

export const publishInsert: OpenRow = async (plan) => {
  const folder = mkdtempSync(join(plan.folder, 'insert-'));
  const host = openHost(join(folder, 'mortise.db'));
  const bare = groupedInsert(join(folder, 'bare.db'));
  const payload = pushPayload();
  const event = { type: EVENT_TYPE, context: 'team', resource: 'team/site', payload };
  const milliseconds = plan.isQuick ? 500 : 1_500;
  const many = (work: () => Promise<unknown>) => () =>
    perSecond(milliseconds, PER_LOOK, (count) => inParallel(count, CONCURRENCY, work));
  return {
    bench: 'publish-insert',
    of: 'a bare INSERT of the same payload, as durable, in the same group commit',
    unit: 'publishes/s',
    rounds: plan.isQuick ? 5 : 15,
    measured: many(() => host.publish(event)),
    baseline: many(() => bare.insert(JSON.stringify(payload))),
    extra: () => ({ publishers: CONCURRENCY }),
    async close() {
      bare.close();
      await host.close();
    },
  };
};

function groupedInsert(file: string) {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec('CREATE TABLE events (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL)');
  const statement = db.prepare('INSERT INTO events (payload) VALUES (?)');
  const insertAll = db.transaction((payloads: string[]) => {
    for (const payload of payloads) statement.run(Buffer.from(payload));
  });
  let waiting: { payload: string; resolve: () => void }[] = [];

  function commit(): void {
    const group = waiting;
    waiting = [];
    insertAll.immediate(group.map(({ payload }) => payload));
    for (const { resolve } of group) resolve();
  }

  return {
    insert(payload: string): Promise<void> {
      if (waiting.length === 0) setImmediate(commit);
      return new Promise((resolve) => waiting.push({ payload, resolve }));
    },
    close: () => db.close(),
  };
}
