// A fake add-on that is installed on a host, with what its `installed` call told it.
import { expect } from 'chai';
import { type FakeAddon, fakeAddon } from './fake-addon.ts';
import type { Answer, RunningHost } from './start-host.ts';

export interface InstalledAddon {
  addon: FakeAddon;
  // biome-ignore lint/suspicious/noExplicitAny: the operator API's view
  installation: any;
  // biome-ignore lint/suspicious/noExplicitAny: Connect's payload
  payload: any;
  /** A token by client credentials. */
  token(scope?: string): Promise<string>;
}

export async function installAddon(
  running: RunningHost,
  options: {
    descriptor?: Record<string, unknown>;
    context?: string;
    request?: Record<string, unknown>;
  } = {},
): Promise<InstalledAddon> {
  const addon = await fakeAddon(options.descriptor);
  const answer = await running.operator('POST', '/installations', {
    descriptorUrl: addon.descriptorUrl,
    context: options.context ?? 'acme',
    ...options.request,
  });
  expect(answer.status, answer.text).to.equal(201);
  const payload = addon.to('/installed').at(-1)?.json;
  return {
    addon,
    installation: answer.json,
    payload,
    async token(scope) {
      const { status, json, text } = await tokenRequest(
        running,
        payload.oauthClientId,
        payload.oauthClientSecret,
        {
          grant_type: 'client_credentials',
          ...(scope !== undefined && { scope }),
        },
      );
      expect(status, text).to.equal(200);
      return json.access_token;
    },
  };
}

export function tokenRequest(
  running: RunningHost,
  clientId: string,
  clientSecret: string,
  parameters: Record<string, string>,
): Promise<Answer> {
  return running.request('POST', '/oauth2/token', {
    headers: {
      authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
    },
    body: new URLSearchParams(parameters),
  });
}

/** A push of nothing to acme/site. */
export const PUSH = {
  type: 'repo:push',
  context: 'acme',
  resource: 'acme/site',
  payload: { push: { changes: [] }, repository: { full_name: 'acme/site' } },
};
