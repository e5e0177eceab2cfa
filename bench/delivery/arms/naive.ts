// What one writes first: global fetch, jsonwebtoken and createHmac with the secrets as they are. Nothing is kept,
// nothing is tried again.
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import jwt from 'jsonwebtoken';
import { answerQuestions, monotonicMs, readSettings } from '../../processes/child.ts';
import type { BenchAddon } from '../addons.ts';
import { type ArmSettings, CONCURRENCY, type Load, type Loaded } from '../arm.ts';
import { inParallel } from '../in-parallel.ts';
import { EVENT_TYPE, pushPayload } from '../push-event.ts';

const { addons } = readSettings<ArmSettings>();
const payload = pushPayload();
let turn = 0;

async function deliver(addon: BenchAddon, data: object): Promise<void> {
  const { url, clientKey, secrets } = addon;
  const id = randomUUID();
  const seconds = Math.floor(Date.now() / 1_000);
  const body = JSON.stringify({ event: EVENT_TYPE, data });
  const webhookKey = Buffer.from(secrets.webhook.replace('whsec_', ''), 'base64');
  const signature = createHmac('sha256', webhookKey)
    .update(`${id}.${seconds}.${body}`)
    .digest('base64');
  const hub = `sha256=${createHmac('sha256', secrets.webhook).update(body).digest('hex')}`;
  const qsh = createHash('sha256').update('POST&/hook&').digest('hex');
  const claims = { iss: clientKey, aud: [clientKey], iat: seconds, exp: seconds + 180, qsh };
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-event-key': EVENT_TYPE,
      'webhook-id': id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': `v1,${signature}`,
      authorization: `JWT ${jwt.sign(claims, secrets.shared)}`,
      'x-hub-signature': hub,
      'x-hub-signature-256': hub,
    },
    body,
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
}

const deliverNext = (data: object) => deliver(addons[turn++ % addons.length]!, data);

answerQuestions({
  async run({ events, fanOut }: Load): Promise<Loaded> {
    const startedAt = monotonicMs();
    const perEvent = fanOut === 'all' ? addons.length : 1;
    await inParallel(events * perEvent, CONCURRENCY, () => deliverNext(payload));
    return { startedAt };
  },
  async spaced({ events, everyMs }: { events: number; everyMs: number }) {
    for (let i = 0; i < events; i++) {
      await deliverNext(pushPayload(monotonicMs()));
      await wait(everyMs);
    }
  },
});
