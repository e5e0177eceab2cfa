// pg-boss: a job per delivery, retried like ours. Fetched and completed in batches by loops of our own, since its
// own worker waits half a second between batches.
import PgBoss from 'pg-boss';
import { CONCURRENCY } from '../delivery/arm.ts';
import { inParallel } from '../delivery/in-parallel.ts';
import { pushPayload } from '../delivery/push-event.ts';
import { createSender } from '../delivery/sender.ts';
import { webhookBody } from '../delivery/signed-request.ts';
import { answerQuestions, monotonicMs, readSettings } from '../processes/child.ts';
import { startPostgres } from '../processes/postgres.ts';

const QUEUE = 'webhooks';
const FETCHERS = 2;
/** More than a fetcher has under way at once, so that few round trips are made. */
const BATCH = 128;
const CONNECTIONS = 16;
const IDLE_MS = 5;

/** @type {import('../delivery/arm.ts').ArmSettings} */
const { addons, folder } = readSettings();
const postgres = await startPostgres(folder);
let isOpen = true;
const boss = new PgBoss({ connectionString: postgres.url, max: CONNECTIONS });
// What it was about to do when it is told to stop is no fault.
boss.on('error', (error) => isOpen && console.error(error.message));
await boss.start();
const retries = { retryLimit: 12, retryDelay: 10, retryBackoff: true };
await boss.createQueue(QUEUE, { name: QUEUE, ...retries });
const send = createSender();

async function fetchAndDeliver() {
  while (isOpen) {
    const jobs = await boss.fetch(QUEUE, { batchSize: BATCH });
    if (jobs.length === 0) await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    else await deliver(jobs);
  }
}

/** @param {import('pg-boss').Job<any>[]} jobs */
async function deliver(jobs) {
  /** @type {string[]} */
  const done = [];
  /** @type {string[]} */
  const failed = [];
  await inParallel(jobs.length, CONCURRENCY / FETCHERS, async (i) => {
    const { id, data } = jobs[i];
    await send(addons[data.addon], id, webhookBody(data.payload)).then(
      () => done.push(id),
      () => failed.push(id),
    );
  });
  if (done.length > 0) await boss.complete(QUEUE, done);
  if (failed.length > 0) await boss.fail(QUEUE, failed);
}

const fetchers = Array.from({ length: FETCHERS }, fetchAndDeliver);
const payload = pushPayload();
let turn = 0;

/** @param {'one' | 'all'} fanOut */
function publish(fanOut) {
  if (fanOut === 'all') {
    return boss.insert(addons.map((_, addon) => ({ name: QUEUE, data: { addon, payload } })));
  }
  return boss.send(QUEUE, { addon: turn++ % addons.length, payload });
}

answerQuestions({
  /** @param {import('../delivery/arm.ts').Load} load */
  async run({ events, fanOut }) {
    const startedAt = monotonicMs();
    await inParallel(events, CONCURRENCY, () => publish(fanOut));
    return { startedAt };
  },
}, async () => {
  isOpen = false;
  await Promise.all(fetchers);
  await boss.stop({ graceful: false });
  await postgres.stop();
}, [postgres.pid]);
