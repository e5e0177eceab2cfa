// An installation in a store, without a host around it.
import { expect } from 'chai';
import { newId } from '../../src/core/ids.ts';
import { sha256 } from '../../src/core/secrets.ts';
import type { InstallationRow, Subscription, WebhookRow } from '../../src/store/rows.ts';
import type { Store } from '../../src/store/store.ts';

/** In the context `acme`, told of `types`. */
export async function installIn(store: Store, types: string[] = []): Promise<InstallationRow> {
  const id = newId();
  const installationId = newId();
  const at = Date.now();
  const begun = await store.installations.beginHandshake({
    id,
    installationId,
    expectedEpoch: null,
    addonKey: `addon ${id}`,
    context: 'acme',
    clientKey: `mck_${id}`,
    oauthClientId: `mcl_${id}`,
    oauthSecretHash: sha256(id),
    grantId: newId(),
    scopes: ['repository'],
    resources: null,
    descriptorUrl: null,
    baseUrl: 'https://addon.example',
    descriptor: '{}',
    descriptorDigest: 'digest',
    candidateSecrets: 'sealed',
    holder: newId(),
    at,
    deadline: at + 45_000,
  });
  expect(begun).not.to.equal(undefined);
  const webhooks: WebhookRow[] = [
    {
      id: `hook of ${installationId}`,
      installationId,
      event: '*',
      url: 'https://addon.example/hook',
      since: at,
      until: null,
      offSince: null,
      sinceSeq: 0,
    },
  ];
  return store.installations.acceptHandshake(id, {
    at,
    webhooks,
    subscriptions: subscriptionsOf(installationId, types),
  });
}

export function subscriptionsOf(installationId: string, types: string[]): Subscription[] {
  return types.map((eventType) => ({ eventType, webhookId: `hook of ${installationId}` }));
}
