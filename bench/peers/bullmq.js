// BullMQ: a job per delivery, retried like ours, on a Redis that writes before it answers.
import { Queue, Worker } from 'bullmq';
import { CONCURRENCY } from '../delivery/arm.ts';
import { inParallel } from '../delivery/in-parallel.ts';
import { pushPayload } from '../delivery/push-event.ts';
import { createSender } from '../delivery/sender.ts';
import { webhookBody } from '../delivery/signed-request.ts';
import { answerQuestions, monotonicMs, readSettings } from '../processes/child.ts';
import { startRedis } from './redis.js';

/** @type {import('../delivery/arm.ts').ArmSettings} */
const { addons, folder } = readSettings();
const redis = await startRedis(folder);
const connection = { host: '127.0.0.1', port: redis.port, maxRetriesPerRequest: null };
const options = {
  attempts: 12,
  backoff: { type: 'exponential', delay: 10_000 },
  removeOnComplete: true,
};
const queue = new Queue('webhooks', { connection, defaultJobOptions: options });
const send = createSender();
const worker = new Worker(
  'webhooks',
  ({ id, data }) => send(addons[data.addon], `bullmq-${id}`, webhookBody(data.payload)),
  { connection, concurrency: CONCURRENCY },
);
worker.on('error', console.error);
await worker.waitUntilReady();

const payload = pushPayload();
let turn = 0;
const jobOf = (/** @type {number} */ addon) => ({ name: 'deliver', data: { addon, payload } });

/** @param {'one' | 'all'} fanOut */
function publish(fanOut) {
  if (fanOut === 'all') return queue.addBulk(addons.map((_, i) => jobOf(i)));
  const { name, data } = jobOf(turn++ % addons.length);
  return queue.add(name, data);
}

answerQuestions({
  /** @param {import('../delivery/arm.ts').Load} load */
  async run({ events, fanOut }) {
    const startedAt = monotonicMs();
    await inParallel(events, CONCURRENCY, () => publish(fanOut));
    return { startedAt };
  },
}, async () => {
  await worker.close(true);
  await queue.close();
  await redis.stop();
}, [redis.pid]);
