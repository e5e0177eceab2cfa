// A host with a small product behind it, and the means to forge what is sent to it.
import { createHmac } from 'node:crypto';
import Router from '@koa/router';
import { expect } from 'chai';
import { queryStringHash } from '../../src/core/connect-jwt.ts';
import { Browser } from '../helpers/browser.ts';
import { CALLBACK, consent, type TestConsumer, token } from '../helpers/consumer.ts';
import {
  type Answer,
  type RunningHost,
  type StartOptions,
  startHost,
} from '../helpers/start-host.ts';

export function startAttackedHost(options: StartOptions = {}): Promise<RunningHost> {
  return startHost({
    product(host, app) {
      const router = new Router();
      const tell = (ctx: { state: Record<string, unknown>; body: unknown }) => {
        ctx.body = ctx.state.mortise;
      };
      const resource = { resource: '{workspace}/{repo}' };
      router.get('/api/:workspace/:repo', host.guard('repository', resource), tell);
      router.post('/api/:workspace/:repo', host.guard('repository', resource), tell);
      router.get('/all/:workspace', host.guard('repository'), tell);
      router.get(
        '/git/:workspace/:repo',
        host.guard('repository', { ...resource, basicUser: 'x-token-auth' }),
        tell,
      );
      app.use(router.routes());
    },
    ...options,
  });
}

/** [status, code] of a call to the product's API. */
export async function callApi(
  running: RunningHost,
  authorization: string | undefined,
  path = '/api/acme/site',
  init: RequestInit = {},
): Promise<Answer> {
  return running.request('GET', path, {
    ...init,
    ...(authorization !== undefined && { headers: { authorization, ...init.headers } }),
  });
}

export async function signedIn(running: RunningHost, user = 'alice'): Promise<Browser> {
  const browser = new Browser(running);
  await browser.signIn(user);
  return browser;
}

export async function codeOf(browser: Browser, path: string): Promise<string> {
  const answer = await consent(browser, path);
  expect(answer.get('error')).to.equal(null);
  return answer.get('code')!;
}

export const redeem = (
  running: RunningHost,
  by: TestConsumer,
  code: string,
  more: Record<string, string> = {},
): Promise<Answer> =>
  token(running, by, { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, ...more });

const encode = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

/** A JWT by hand: any header, any payload, any signature. */
export function forgeJwt(
  header: unknown,
  payload: unknown,
  sign: (input: string) => string = () => '',
): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${sign(input)}`;
}

export const hmac =
  (secret: string | Buffer, hash = 'sha256') =>
  (input: string): string =>
    createHmac(hash, secret).update(input).digest('base64url');

/** Claims as an add-on's own call has them. */
export function addonClaims(
  payload: { key: string; clientKey: string },
  method: string,
  path: string,
): Record<string, unknown> {
  const seconds = Math.floor(Date.now() / 1000);
  return {
    iss: payload.key,
    sub: payload.clientKey,
    iat: seconds,
    exp: seconds + 180,
    qsh: queryStringHash(method, path),
  };
}
