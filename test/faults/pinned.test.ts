// Fault 26, in short: a REPEATABLE READ transaction is held open while thousands of deliveries come and go. What is deleted
// stays for it, and the engine's own statements must not walk over that: counted in blocks that they look at, since time
// on a loaded machine says little. `npm run soak -- --replicas --pinned` measures time, on hosts under load.
//
// Seen red: an outbox that begins at 0, for fan-out and for the look whether there is something in it, and a lane that
// does.
import { expect } from 'chai';
import type { Share } from '../../src/store/engine-store.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { Store } from '../../src/store/store.ts';
import { attemptRecord } from '../helpers/attempt-record.ts';
import { eventRow } from '../helpers/event-row.ts';
import { IDLE_SENDER } from '../helpers/idle-sender.ts';
import { createDatabase } from '../helpers/postgres-databases.ts';
import { installIn } from '../helpers/postgres-installation.ts';
import { type PostgresServer, startPostgres } from '../helpers/postgres-server.ts';
import { blocksLookedAt, MOST_TIMES, pin } from './pinned.ts';
import { sleep } from './rig.ts';

const HOUR = 3_600_000;
const CYCLES = 40;
const EVENTS = 8_000;
const AT_ONCE = 500;
/** PostgreSQL counts what a connection has read once a second at most. */
const COUNTED_MS = 1_100;
/** As long as a look at a lane reaches back, and more (lane-starts.ts); and from one look at all to the next. */
const MARGIN_MS = 6_000;
const WHOLE_MS = 31_000;

describe('a transaction that is held open by somebody', function () {
  this.timeout(120_000);
  let server: PostgresServer;
  let url: string;
  let store: Store;
  let share: Share;
  let id: string;
  let unpin: () => Promise<void>;

  before(async () => {
    // Of its own: transactions of other tests would hold up where the outbox begins.
    server = await startPostgres();
    url = await createDatabase(server.url, 'template0');
    store = openPostgres(url);
    id = (await installIn(store, ['repo:push'])).id;
    share = (await store.engine.tryShare())!;
    await share.start(IDLE_SENDER);
    unpin = await pin(url);
  });
  after(async () => {
    await unpin();
    await share.release();
    await store.close();
    await server.stop();
  });

  const window = async (limit = 16) => (await store.deliveries.window(id, Date.now(), limit)).due;

  /** What the engine does for one event that fails once. */
  async function cycle(): Promise<void> {
    await store.events.publish([eventRow()]);
    await share.lookForWork();
    const { owed } = await store.events.fanOut(256, Date.now(), HOUR);
    const failed = { outcome: 'retry', nextDueAt: Date.now() } as const;
    await store.deliveries.record({ attempts: owed.map((one) => attemptRecord(one, failed)) });
    const due = await window();
    expect(due.length).to.be.at.least(1);
    await store.deliveries.record({ attempts: due.map((one) => attemptRecord(one)) });
  }

  async function blocksOfCycles(): Promise<number> {
    await sleep(COUNTED_MS);
    await share.lookForWork();
    const before = await blocksLookedAt(url);
    for (let i = 0; i < CYCLES; i++) await cycle();
    await sleep(COUNTED_MS);
    await share.lookForWork();
    const { blocks } = await blocksLookedAt(url);
    return (blocks - before.blocks) / CYCLES;
  }

  it('makes nothing that the engine asks look at more blocks', async () => {
    await cycle();
    const lookedAtAll = performance.now();
    const before = await blocksOfCycles();
    for (let made = 0; made < EVENTS; made += AT_ONCE) {
      await store.events.publish(Array.from({ length: AT_ONCE }, () => eventRow()));
      while ((await store.events.fanOut(256, Date.now(), HOUR)).events > 0);
      for (let due = await window(256); due.length > 0; due = await window(256)) {
        await store.deliveries.record({ attempts: due.map((one) => attemptRecord(one)) });
      }
    }
    await sleep(MARGIN_MS);
    const since = performance.now() - lookedAtAll;
    if (since > WHOLE_MS / 2) await sleep(Math.max(WHOLE_MS - since, 0));
    await cycle();
    const after = await blocksOfCycles();
    console.log(
      `      ${before.toFixed(0)} blocks for an event at the start, ${after.toFixed(0)} after ${EVENTS} events`,
    );
    expect(after).to.be.below(MOST_TIMES * before);
  });
});
