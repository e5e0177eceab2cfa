// Puts add-ons into a database as two transactions of the store each, without calling them: ten thousand in seconds.
import { derivedId, newId } from '../../src/core/ids.ts';
import { sha256 } from '../../src/core/secrets.ts';
import { planSubscriptions } from '../../src/host/subscriptions.ts';
import { sealSecrets } from '../../src/store/installation-secrets.ts';
import type { BenchHost } from '../seeded-host.ts';
import type { BenchAddon } from './addons.ts';
import { EVENT_TYPE } from './push-event.ts';

/** They see all of every payload. */
const ALL_SCOPES = ['repository', 'email'];
const HANDSHAKE_MS = 600_000;
const AT_ONCE = 500;

/** @param webhooks how many each add-on has for the one event type. */
export async function installAddons(
  host: BenchHost,
  addons: readonly BenchAddon[],
  { webhooks = 1, scopes = ALL_SCOPES }: { webhooks?: number; scopes?: string[] | undefined } = {},
): Promise<void> {
  for (let i = 0; i < addons.length; i += AT_ONCE) {
    await Promise.all(
      addons.slice(i, i + AT_ONCE).map((addon) => installAddon(host, addon, webhooks, scopes)),
    );
  }
}

async function installAddon(
  { parts }: BenchHost,
  addon: BenchAddon,
  count: number,
  scopes: string[],
): Promise<void> {
  const { installationId, addonKey, context, clientKey, baseUrl, url, secrets } = addon;
  const { installations } = parts.store;
  // Before any event: who was installed later is not told.
  const at = Date.now() - 1_000;
  const id = newId();
  const descriptor = JSON.stringify({ key: addonKey, baseUrl });
  const handshake = await installations.beginHandshake({
    id,
    installationId,
    expectedEpoch: null,
    addonKey,
    context,
    clientKey,
    oauthClientId: `mcl_${installationId}`,
    oauthSecretHash: sha256(id),
    grantId: newId(),
    scopes,
    resources: null,
    descriptorUrl: null,
    baseUrl,
    descriptor,
    descriptorDigest: sha256(descriptor).toString('hex'),
    candidateSecrets: sealSecrets(parts.box, installationId, secrets),
    holder: id,
    at,
    deadline: at + HANDSHAKE_MS,
  });
  if (!handshake || 'takenBy' in handshake) throw new Error(`${addonKey} is there already.`);
  const hooks = Array.from({ length: count }, (_, i) => ({
    id: derivedId(installationId, String(i)),
    installationId,
    event: EVENT_TYPE,
    // One address is told once, however many webhooks name it.
    url: i === 0 ? url : `${url}?webhook=${i}`,
    since: at,
    until: null,
    offSince: null,
    sinceSeq: 0,
  }));
  await installations.acceptHandshake(id, {
    at,
    webhooks: hooks,
    subscriptions: planSubscriptions(hooks, scopes, parts.settings.platform),
  });
}
