// Whether requests are signed as they must be, judged by what an add-on would use.
import { createHmac, createSecretKey } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { queryStringHash, verifyHs256 } from '../../src/core/connect-jwt.ts';
import type { BenchAddon } from './addons.ts';
import type { ReceivedRequest } from './sink.ts';

/** @throws Error with the request whose signature is wrong, or if there is no request. */
export function verifySample(
  sample: readonly ReceivedRequest[],
  addons: readonly BenchAddon[],
): void {
  if (sample.length === 0) throw new Error('No request was kept to verify.');
  const addonAt = new Map(addons.map((addon) => [new URL(addon.url).pathname, addon]));
  for (const { head, body } of sample) {
    const [requestLine = '', ...lines] = head.split('\r\n');
    const headers = Object.fromEntries(lines.map(nameAndValue));
    const addon = addonAt.get(requestLine.split(' ')[1]!);
    const fault = addon ? faultOf(addon, headers, body) : 'nobody has this address';
    if (fault) throw new Error(`A request is wrong: ${fault}.\n${head}\n\n${body}`);
  }
}

function nameAndValue(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

function faultOf(
  { url, baseUrl, secrets }: BenchAddon,
  headers: Record<string, string>,
  body: string,
): string | undefined {
  try {
    new Webhook(secrets.webhook).verify(body, headers);
  } catch (error) {
    return `webhook-signature: ${(error as Error).message}`;
  }
  const jwt = verifyHs256(
    headers.authorization?.replace(/^JWT /, '') ?? '',
    createSecretKey(Buffer.from(secrets.shared)),
    { qsh: [queryStringHash('POST', url, baseUrl)], nowSeconds: Math.floor(Date.now() / 1_000) },
  );
  if ('reason' in jwt) return jwt.reason;
  const hub = `sha256=${createHmac('sha256', secrets.webhook).update(body).digest('hex')}`;
  return headers['x-hub-signature-256'] === hub ? undefined : 'x-hub-signature-256 differs';
}
