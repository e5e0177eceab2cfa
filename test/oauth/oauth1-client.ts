// An OAuth 1.0a consumer as it is: the unmodified npm package oauth-1.0a, over HTTP.
import { createHmac } from 'node:crypto';
import { expect } from 'chai';
import OAuth from 'oauth-1.0a';
import type { Browser, Page } from '../helpers/browser.ts';
import type { TestConsumer } from '../helpers/consumer.ts';
import type { Answer, RunningHost } from '../helpers/start-host.ts';

export const ENDPOINTS = '/api/1.0/oauth';

export interface Credentials {
  key: string;
  secret: string;
}

export interface Signing {
  method?: 'HMAC-SHA1' | 'HMAC-SHA256';
  /** Instead of what the package would say. */
  timestamp?: number;
  nonce?: string;
  /** Form parameters. */
  data?: Record<string, string>;
  token?: Credentials;
}

export class Oauth1Client {
  readonly running: RunningHost;
  readonly consumer: TestConsumer;

  constructor(running: RunningHost, consumer: TestConsumer) {
    this.running = running;
    this.consumer = consumer;
  }

  /** What the package makes of a request: its oauth_ parameters. */
  authorize(httpMethod: string, path: string, signing: Signing = {}): OAuth.Authorization {
    const oauth = this.#package(signing);
    const request = { method: httpMethod, url: this.running.url + path, data: signing.data };
    return oauth.authorize(request, signing.token);
  }

  header(httpMethod: string, path: string, signing: Signing = {}): string {
    return this.#package(signing).toHeader(this.authorize(httpMethod, path, signing)).Authorization;
  }

  async call(httpMethod: string, path: string, signing: Signing = {}): Promise<Answer> {
    // As the package's README says: oauth_ parameters go to the header, the others to the form.
    const form = Object.entries(signing.data ?? {}).filter(([name]) => !name.startsWith('oauth_'));
    return this.running.request(httpMethod, path, {
      headers: { authorization: this.header(httpMethod, path, signing) },
      ...(form.length > 0 && { body: new URLSearchParams(form) }),
    });
  }

  /** The callback travels among the signed parameters; the package puts only its own into the header. */
  async requestToken(callback: string, signing: Signing = {}): Promise<Answer> {
    return this.callWith(
      'POST',
      `${ENDPOINTS}/request_token`,
      { oauth_callback: callback },
      signing,
    );
  }

  async accessToken(token: Credentials, verifier: string, signing: Signing = {}): Promise<Answer> {
    const path = `${ENDPOINTS}/access_token`;
    return this.callWith('POST', path, { oauth_verifier: verifier }, { ...signing, token });
  }

  /** With further oauth_ parameters in the header. */
  async callWith(
    httpMethod: string,
    path: string,
    more: Record<string, string>,
    signing: Signing = {},
  ): Promise<Answer> {
    const oauth = this.#package(signing);
    const signed = this.authorize(httpMethod, path, { ...signing, data: more });
    const { Authorization } = oauth.toHeader({ ...signed, ...more });
    return this.running.request(httpMethod, path, { headers: { authorization: Authorization } });
  }

  async freshRequestToken(callback: string, signing: Signing = {}): Promise<Credentials> {
    return credentialsOf(await this.requestToken(callback, signing));
  }

  /** All three legs, as the user of the browser. */
  async threeLegs(browser: Browser, callback: string, signing: Signing = {}): Promise<Credentials> {
    const token = await this.freshRequestToken(callback, signing);
    const done = await answerConsent(browser, token);
    const verifier = new URL(done.location!).searchParams.get('oauth_verifier')!;
    return credentialsOf(await this.accessToken(token, verifier, signing));
  }

  #package({ method = 'HMAC-SHA1', timestamp, nonce }: Signing): OAuth {
    const oauth = new OAuth({
      consumer: { key: this.consumer.clientId, secret: this.consumer.clientSecret! },
      signature_method: method,
      hash_function: (text, key) =>
        createHmac(method === 'HMAC-SHA1' ? 'sha1' : 'sha256', key)
          .update(text)
          .digest('base64'),
    });
    if (timestamp !== undefined) oauth.getTimeStamp = () => timestamp;
    if (nonce !== undefined) oauth.getNonce = () => nonce;
    return oauth;
  }
}

export function credentialsOf({ status, text, headers }: Answer): Credentials {
  expect(status, text).to.equal(200);
  expect(headers.get('content-type')).to.match(/^application\/x-www-form-urlencoded/);
  const form = new URLSearchParams(text);
  return { key: form.get('oauth_token')!, secret: form.get('oauth_token_secret')! };
}

/** Walks the consent page. @returns what came of it */
export async function answerConsent(
  browser: Browser,
  token: Pick<Credentials, 'key'>,
  answer: Record<string, string> = { answer: 'allow' },
): Promise<Page> {
  const page = await browser.get(`${ENDPOINTS}/authenticate?oauth_token=${token.key}`);
  expect(page.status, page.text).to.equal(200);
  return browser.post(`${ENDPOINTS}/authenticate`, { ...page.hidden, ...answer });
}
