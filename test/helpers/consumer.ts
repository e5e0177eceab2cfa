// A consumer that is registered, and a user who lets it in.
import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { Browser } from './browser.ts';
import type { Answer, RunningHost } from './start-host.ts';

export const CALLBACK = 'https://client.example/callback';

export interface TestConsumer {
  clientId: string;
  clientSecret: string | undefined;
}

export async function registerConsumer(
  running: RunningHost,
  more: Record<string, unknown> = {},
): Promise<TestConsumer> {
  const { status, json, text } = await running.operator('POST', '/consumers', {
    name: 'Test consumer',
    redirectUris: [CALLBACK],
    scopes: ['repository:write', 'issue', 'email'],
    owner: 'acme',
    ...more,
  });
  expect(status, text).to.equal(201);
  return json;
}

export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

export function authorizePath(consumer: TestConsumer, more: Record<string, string> = {}): string {
  return `/oauth2/authorize?${new URLSearchParams({
    response_type: 'code',
    client_id: consumer.clientId,
    redirect_uri: CALLBACK,
    state: 's t&=',
    ...more,
  })}`;
}

/** Walks the consent page. @returns the parameters of the answer */
export async function consent(
  browser: Browser,
  path: string,
  answer: Record<string, string> = { answer: 'allow' },
): Promise<URLSearchParams> {
  const page = await browser.get(path);
  expect(page.status, page.text).to.equal(200);
  const done = await browser.post('/oauth2/authorize', { ...page.hidden, ...answer });
  expect(done.status, done.text).to.equal(303);
  return new URL(done.location!).searchParams;
}

export function token(
  running: RunningHost,
  consumer: TestConsumer,
  parameters: Record<string, string>,
  path = '/oauth2/token',
): Promise<Answer> {
  const { clientId, clientSecret } = consumer;
  return running.request('POST', path, {
    ...(clientSecret !== undefined && {
      headers: {
        authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
      },
    }),
    body: new URLSearchParams({
      ...(clientSecret === undefined && { client_id: clientId }),
      ...parameters,
    }),
  });
}

export interface Tokens {
  access_token: string;
  refresh_token: string;
  scope: string;
}

/** The whole flow, as alice. */
export async function tokensOfAlice(
  running: RunningHost,
  consumer: TestConsumer,
  more: Record<string, string> = {},
  answer?: Record<string, string>,
): Promise<{ browser: Browser; tokens: Tokens; code: string }> {
  const browser = new Browser(running);
  await browser.signIn('alice');
  const code = (await consent(browser, authorizePath(consumer, more), answer)).get('code')!;
  const { status, json, text } = await token(running, consumer, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
  });
  expect(status, text).to.equal(200);
  return { browser, tokens: json, code };
}
