// Installations by the thousand, written through the store's own operations beside a running host: a handshake each
// would take longer than the test.
import { newId } from '../../src/core/ids.ts';
import { SecretBox } from '../../src/core/secret-box.ts';
import { sha256 } from '../../src/core/secrets.ts';
import { sealSecrets } from '../../src/store/installation-secrets.ts';
import { openStore } from '../../src/store/open-store.ts';
import { SECRET_KEY } from '../helpers/start-host.ts';
import type { Granted } from './ledger.ts';
import { seededSecrets } from './programs/seeded-secrets.ts';

export interface Seeds {
  database: string;
  count: number;
  context: string;
  /** The add-on's origin and name, from its number. */
  address: (i: number) => { origin: string; name: string };
}

/** Nobody waits long for a connection. */
const AT_ONCE = 100;
const EVENT_TYPES = ['repo:push'];

export async function seedInstallations(seeds: Seeds): Promise<Granted[]> {
  const store = openStore(seeds.database);
  const box = new SecretBox(SECRET_KEY);
  const granted: Granted[] = [];
  try {
    while (granted.length < seeds.count) {
      const next = Array.from(
        { length: Math.min(AT_ONCE, seeds.count - granted.length) },
        (_, i) => granted.length + i,
      );
      granted.push(...(await Promise.all(next.map((i) => seedOne(seeds, i)))));
    }
    return granted;
  } finally {
    await store.close();
  }

  async function seedOne({ context, address }: Seeds, i: number): Promise<Granted> {
    const { origin, name } = address(i);
    const at = Date.now();
    const [id, installationId, clientKey] = [newId(), newId(), `mck_${newId()}`];
    const baseUrl = `${origin}/${name}`;
    const descriptor = JSON.stringify(descriptorOf(name, baseUrl, ['repository']));
    await store.installations.beginHandshake({
      id,
      installationId,
      expectedEpoch: null,
      addonKey: name,
      context,
      clientKey,
      oauthClientId: `mcl_${newId()}`,
      oauthSecretHash: sha256(id),
      grantId: newId(),
      scopes: ['repository'],
      resources: null,
      descriptorUrl: null,
      baseUrl,
      descriptor,
      descriptorDigest: sha256(descriptor).toString('hex'),
      candidateSecrets: sealSecrets(box, installationId, {
        ...seededSecrets(clientKey),
        origin,
      }),
      holder: newId(),
      at,
      deadline: at + 60_000,
    });
    const webhookId = newId();
    await store.installations.acceptHandshake(id, {
      at,
      webhooks: [
        {
          id: webhookId,
          installationId,
          event: '*',
          url: `${baseUrl}/hook`,
          since: at,
          until: null,
          offSince: null,
          sinceSeq: 0,
        },
      ],
      subscriptions: EVENT_TYPES.map((eventType) => ({ eventType, webhookId })),
    });
    return { installationId, clientKey, context, eventTypes: EVENT_TYPES, resources: null };
  }
}

export function descriptorOf(
  name: string,
  baseUrl: string,
  scopes: string[],
): Record<string, unknown> {
  return {
    key: name,
    name,
    description: 'An add-on of the fault tests.',
    baseUrl,
    authentication: { type: 'jwt' },
    lifecycle: { installed: '/installed', uninstalled: '/uninstalled' },
    scopes,
    modules: { webhooks: [{ event: '*', url: '/hook' }] },
  };
}
