// The three steps of the install handshake: begin (a transaction), call, commit (a transaction).
import { MortiseError } from '../core/errors.ts';
import { derivedId, newId } from '../core/ids.ts';
import { randomSecret, randomWebhookSecret, sha256 } from '../core/secrets.ts';
import type { Descriptor } from '../descriptor/descriptor.ts';
import {
  acknowledgedSecrets,
  candidateSecrets,
  type InstallationSecrets,
  sealSecrets,
} from '../store/installation-secrets.ts';
import type { ExchangeRecord, HandshakeRow, InstallationRow, WebhookRow } from '../store/rows.ts';
import { callLifecycle, doubtsSignature } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';
import { addonKeyTaken } from './same-origin.ts';
import { planSubscriptions } from './subscriptions.ts';

/** Longer than two calls may take together. */
const HANDSHAKE_MS = 45_000;
const WAIT_FOR_OTHERS_MS = 20_000;

/** What is about to be installed, decided. */
export interface InstallPlan {
  descriptor: Descriptor;
  descriptorUrl: string | null;
  /** The add-on has moved to another origin, and that is meant. */
  acceptNewOrigin: boolean;
  /** It stays where it stands, whoever else has its key: no new place is taken. */
  isRotation: boolean;
  context: string;
  scopes: string[];
  resources: string[] | null;
}

export interface Begun {
  plan: InstallPlan;
  handshake: HandshakeRow;
  secrets: InstallationSecrets;
  /** Of a handshake that failed before: the add-on may have stored it. */
  earlierCandidate: InstallationSecrets | undefined;
  oauthClientSecret: string;
}

/**
 * @param planFrom made anew at every look: what is begun is decided from the row as it stands then.
 * @throws install_in_progress when another call to this add-on does not end
 */
export async function beginHandshake(
  { addonKey, context }: { addonKey: string; context: string },
  planFrom: (before: InstallationRow | undefined) => Promise<InstallPlan>,
  parts: HostParts,
): Promise<Begun> {
  const { clock } = parts.settings;
  const patience = clock.now() + WAIT_FOR_OTHERS_MS;
  const oauthClientSecret = randomSecret();
  for (;;) {
    const before = await parts.store.installations.findByAddon(addonKey, context);
    const plan = await planFrom(before);
    const { descriptor, descriptorUrl, scopes, resources } = plan;
    const installationId = before?.id ?? newId();
    const earlierCandidate = before && candidateSecrets(parts.box, before);
    const secrets = secretsToSend(earlierCandidate, new URL(descriptor.baseUrl).origin);
    const now = clock.now();
    const handshake = await parts.store.installations.beginHandshake({
      id: newId(),
      installationId,
      expectedEpoch: before?.epoch ?? null,
      addonKey,
      context,
      clientKey: `mck_${newId()}`,
      oauthClientId: `mcl_${newId()}`,
      oauthSecretHash: sha256(oauthClientSecret),
      grantId: newId(),
      scopes,
      resources,
      descriptorUrl,
      baseUrl: descriptor.baseUrl,
      descriptor: descriptor.text,
      descriptorDigest: descriptor.digest,
      acceptNewOrigin: plan.acceptNewOrigin || plan.isRotation,
      candidateSecrets: sealSecrets(parts.box, installationId, secrets),
      holder: newId(),
      at: now,
      deadline: now + HANDSHAKE_MS,
    });
    if (handshake && 'takenBy' in handshake) throw addonKeyTaken(descriptor, handshake.takenBy);
    if (handshake) return { plan, handshake, secrets, earlierCandidate, oauthClientSecret };
    if (now > patience) throw installInProgress(addonKey);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * An add-on may have stored the secret of a handshake and failed after that: it is sent the same one again. Never
 * to another origin, though: whoever failed there on purpose would know the secret of who succeeds here.
 */
function secretsToSend(
  earlier: InstallationSecrets | undefined,
  origin: string,
): InstallationSecrets {
  if (earlier?.origin === origin) return earlier;
  return { shared: randomSecret(), webhook: randomWebhookSecret(), origin };
}

/**
 * Calls `installed`. Signed with the secret the add-on has acknowledged; after 400 or 401 once more with the
 * candidate it was sent before: it may know only that one.
 */
export async function callInstalled(
  begun: Begun,
  parts: HostParts,
): Promise<{ isAccepted: boolean; exchanges: ExchangeRecord[] }> {
  const exchanges: ExchangeRecord[] = [];
  const { secrets, oauthClientSecret } = begun;
  const { descriptor, scopes } = begun.plan;
  const { installation } = begun.handshake;
  const url = descriptor.lifecycle.installed;
  if (url === undefined) return { isAccepted: true, exchanges };
  const signers = signersOf(begun, acknowledgedSecrets(parts.box, installation));
  for (const signWith of signers) {
    if (exchanges.length > 0 && !(await isUnderWay(begun, parts))) break;
    const result = await callLifecycle(
      {
        kind: 'installed',
        attempt: exchanges.length + 1,
        url,
        descriptor,
        installation,
        scopes,
        secrets: { ...secrets, oauthClient: oauthClientSecret },
        signWith,
      },
      parts,
    );
    exchanges.push(result.exchange);
    await parts.store.lifecycle.addExchange(result.exchange);
    if (result.isAccepted) return { isAccepted: true, exchanges };
    if (!doubtsSignature(result)) break;
  }
  return { isAccepted: false, exchanges };
}

/**
 * A signature made with a secret is only for the origin that shares it: another one could play it back there. An
 * add-on that has moved, and that is meant, takes its secrets along.
 */
function signersOf(
  { plan: { descriptor, acceptNewOrigin }, secrets, earlierCandidate }: Begun,
  acknowledged: InstallationSecrets | undefined,
): Set<string> {
  const isShared = (known: InstallationSecrets | undefined) =>
    known !== undefined && (acceptNewOrigin || known.origin === secrets.origin);
  const signers = new Set([isShared(acknowledged) ? acknowledged!.shared : secrets.shared]);
  if (isShared(earlierCandidate) && !descriptor.signedInstall)
    signers.add(earlierCandidate!.shared);
  return signers;
}

/** Not cancelled meanwhile. */
async function isUnderWay({ handshake }: Begun, parts: HostParts): Promise<boolean> {
  return (await parts.store.installations.findHandshakeGrant(handshake.grantId)) !== undefined;
}

/** The add-on said yes: everything comes into force. @throws install_cancelled */
export async function commitHandshake(
  { plan, handshake }: Begun,
  parts: HostParts,
): Promise<InstallationRow> {
  const { descriptor, scopes } = plan;
  const now = parts.settings.clock.now();
  const installationId = handshake.installation.id;
  const webhooks: WebhookRow[] = descriptor.webhooks.map(({ event, url }) => ({
    id: derivedId(installationId, event, url),
    installationId,
    event,
    url,
    since: now,
    until: null,
    offSince: null,
    sinceSeq: 0,
  }));
  return parts.store.installations.acceptHandshake(handshake.id, {
    at: now,
    webhooks,
    subscriptions: planSubscriptions(webhooks, scopes, parts.settings.platform),
    call: descriptor.lifecycle.enabled
      ? { id: newId(), installationId, kind: 'enabled', attempts: 0, dueAt: now, createdAt: now }
      : undefined,
  });
}

/** Somebody else is calling the add-on, or about to. */
export function installInProgress(key: string): MortiseError {
  return new MortiseError({
    code: 'install_in_progress',
    status: 409,
    message: `"${key}" is being called about its installation in this context already.`,
    hint: 'Wait for that to end, then try again.',
  });
}
