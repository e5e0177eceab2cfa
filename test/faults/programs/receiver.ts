// Every add-on of a fault test, in one process that is never killed. Each has a name, the first part of its path; each
// delivery is a line of the log when it comes, and another when it was answered.
import { createHmac } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerQuestions } from './answer-questions.ts';
import { seededSecrets } from './seeded-secrets.ts';

/** How an add-on answers its deliveries. */
export interface Behaviour {
  /** Default 204. */
  status?: number;
  headers?: Record<string, string>;
  /** Uniform between the two. */
  delayMs?: [number, number];
  /** Keeps every answer until the behaviour changes. */
  hold?: boolean;
  /** Of the deliveries, this share gets `status`; the others 204. */
  share?: number;
  /** This many deliveries get `status`; the others 204. */
  times?: number;
}

/** A delivery as it came. */
export interface ReceivedLine {
  line: 'received';
  seq: number;
  addon: string;
  at: number;
  webhookId: string;
  clientKey: string;
  eventId: string;
  eventType: string;
  n: number;
  attempt: number;
  /** NumericDate of the JWT. */
  iat: number;
  /** What was wrong with the signatures; null if all three are right. */
  fault: string | null;
  /** How many `installed` calls this add-on has said yes to, and which of their secrets signed the JWT. */
  secretsKnown: number;
  secretUsed: number;
  /** Milliseconds since it said yes to the newest of them. */
  secretAgeMs: number;
}

export interface AnsweredLine {
  line: 'answered';
  seq: number;
  at: number;
  status: number;
}

export interface AddonCounts {
  received: number;
  answered: number;
  underWay: number;
  mostUnderWay: number;
  lifecycle: string[];
}

interface Addon extends AddonCounts {
  behaviour: Behaviour;
  held: (() => void)[];
}

interface Secrets {
  shared: string;
  webhook: string;
  since: number;
}

const log = openSync(process.argv[2]!, 'a');
const addons = new Map<string, Addon>();
/** By clientKey, in the order they were acknowledged. */
const secrets = new Map<string, Secrets[]>();
const credentials = new Map<string, { id: string; secret: string }>();
let seq = 0;

const now = () => performance.timeOrigin + performance.now();

function addonOf(name: string): Addon {
  let addon = addons.get(name);
  if (!addon) {
    addon = {
      received: 0,
      answered: 0,
      underWay: 0,
      mostUnderWay: 0,
      lifecycle: [],
      behaviour: {},
      held: [],
    };
    addons.set(name, addon);
  }
  return addon;
}

const server = createServer((request, response) => {
  const at = now();
  const [, name = '', path = ''] = request.url!.split('/');
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (path === 'hook') receive(name, at, request.headers, body, response);
    else lifecycle(name, path, body, response);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '0.0.0.0', 4_096);

function lifecycle(name: string, path: string, body: Buffer, response: ServerResponse): void {
  if (path === '') {
    response.end();
    return;
  }
  addonOf(name).lifecycle.push(path);
  if (path === 'installed') {
    const { clientKey, sharedSecret, webhookSecret, ...oauth } = JSON.parse(body.toString());
    credentials.set(clientKey, { id: oauth.oauthClientId, secret: oauth.oauthClientSecret });
    const known = secrets.get(clientKey) ?? [];
    const isNew = known.at(-1)?.shared !== sharedSecret;
    const secret = { shared: sharedSecret, webhook: webhookSecret, since: now() };
    if (isNew) secrets.set(clientKey, [...known, secret]);
  }
  response.writeHead(204).end();
}

function receive(
  name: string,
  at: number,
  headers: IncomingHttpHeaders,
  body: Buffer,
  response: ServerResponse,
): void {
  const addon = addonOf(name);
  const number = seq++;
  addon.received++;
  addon.underWay++;
  addon.mostUnderWay = Math.max(addon.mostUnderWay, addon.underWay);
  write({
    line: 'received',
    seq: number,
    addon: name,
    at,
    webhookId: String(headers['webhook-id']),
    eventId: String(headers['mortise-event-id']),
    eventType: String(headers['x-event-key']),
    n: JSON.parse(body.toString()).data.n,
    attempt: Number(headers['x-attempt-number']),
    ...verify(headers, body),
  });
  response.on('close', () => {
    addon.underWay--;
  });
  const { behaviour } = addon;
  const answer = () => {
    const status = statusOf(addon.behaviour);
    response.writeHead(status, addon.behaviour.headers).end(() => {
      addon.answered++;
      write({ line: 'answered', seq: number, at: now(), status });
    });
  };
  if (behaviour.hold) addon.held.push(answer);
  else if (behaviour.delayMs) {
    const [least, most] = behaviour.delayMs;
    setTimeout(answer, least + Math.random() * (most - least));
  } else answer();
}

function statusOf(behaviour: Behaviour): number {
  if (behaviour.times !== undefined && behaviour.times-- <= 0) return 204;
  if (behaviour.share !== undefined && Math.random() >= behaviour.share) return 204;
  return behaviour.status ?? 204;
}

/** By hand, so that nothing of the host's own code judges it. */
function verify(
  headers: IncomingHttpHeaders,
  body: Buffer,
): Pick<
  ReceivedLine,
  'clientKey' | 'iat' | 'fault' | 'secretsKnown' | 'secretUsed' | 'secretAgeMs'
> {
  const [head = '', claims = '', signature] = String(headers.authorization)
    .replace(/^JWT /, '')
    .split('.');
  const { iss: clientKey, iat } = JSON.parse(Buffer.from(claims, 'base64url').toString() || '{}');
  const known = secrets.get(clientKey) ?? [{ ...seededSecrets(clientKey), since: 0 }];
  const signed = (secret: string) =>
    createHmac('sha256', secret).update(`${head}.${claims}`).digest('base64url') === signature;
  const secretUsed = known.findLastIndex(({ shared }) => signed(shared));
  const [id, timestamp] = [headers['webhook-id'], headers['webhook-timestamp']];
  const standard = known.map(({ webhook }) =>
    createHmac('sha256', Buffer.from(webhook.slice('whsec_'.length), 'base64'))
      .update(`${id}.${timestamp}.`)
      .update(body)
      .digest('base64'),
  );
  const hub = known.map(
    ({ webhook }) => `sha256=${createHmac('sha256', webhook).update(body).digest('hex')}`,
  );
  const versions = String(headers['webhook-signature']).split(' ');
  const faults = [
    secretUsed < 0 && 'JWT',
    !versions.some((text) => standard.includes(text.replace(/^v1,/, ''))) && 'webhook-signature',
    !hub.includes(String(headers['x-hub-signature'])) && 'X-Hub-Signature',
    !hub.includes(String(headers['x-hub-signature-256'])) && 'X-Hub-Signature-256',
  ].filter(Boolean);
  return {
    clientKey,
    iat,
    fault: faults.length > 0 ? faults.join(', ') : null,
    secretsKnown: known.length,
    secretUsed,
    secretAgeMs: now() - known.at(-1)!.since,
  };
}

function write(line: ReceivedLine | AnsweredLine): void {
  writeSync(log, `${JSON.stringify(line)}\n`);
}

answerQuestions((question) => {
  switch (question.ask) {
    case 'port':
      return (server.address() as AddressInfo).port;
    case 'behave':
      for (const name of question.addons as string[]) {
        const addon = addonOf(name);
        addon.behaviour = { ...(question.behaviour as Behaviour) };
        if (!addon.behaviour.hold) for (const answer of addon.held.splice(0)) answer();
      }
      return;
    case 'counts': {
      const { behaviour: _, held: __, ...counts } = addonOf(question.addon as string);
      return counts;
    }
    case 'credentials':
      return credentials.get(question.clientKey as string);
    case 'total':
      return seq;
  }
});
