// The install handshake, first and repeated: fetch → validate → what is granted → begin → call → commit.
// The HTTP call stands between two short transactions, never inside one.
import { MortiseError } from '../core/errors.ts';
import { derivedId, newId } from '../core/ids.ts';
import { randomSecret, randomWebhookSecret, sha256 } from '../core/secrets.ts';
import type { Descriptor } from '../descriptor/descriptor.ts';
import { requireValid } from '../descriptor/validate.ts';
import type { LifecycleResult } from '../lifecycle/call.ts';
import {
  type InstallationSecrets,
  openSecrets,
  sealSecrets,
} from '../store/installation-secrets.ts';
import type { ExchangeRecord, HandshakeRow, InstallationRow, WebhookRow } from '../store/rows.ts';
import { type DescriptorInput, findDescriptor } from './descriptors.ts';
import { decideGranted } from './granted.ts';
import { callLifecycle } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';
import { requireSameOrigin } from './same-origin.ts';
import { planSubscriptions } from './subscriptions.ts';

export interface InstallRequest extends DescriptorInput {
  /** The product's own name of the place: a workspace, a site. */
  context?: string;
  /** Which of the scopes asked for are granted. Default: all. */
  scopes?: string[];
  /** Which resources; default all of the context. */
  resources?: string[];
  /** The add-on has moved to another origin, and that is meant. */
  acceptNewOrigin?: boolean;
}

export interface Installed {
  installation: InstallationRow;
  descriptor: Descriptor;
  scopes: string[];
  resources: string[] | null;
  warnings: { code: string; message: string; pointer?: string }[];
  exchanges: ExchangeRecord[];
}

/** Longer than two calls may take together. */
const HANDSHAKE_MS = 45_000;
const WAIT_FOR_OTHERS_MS = 20_000;

/**
 * @throws descriptor faults (422), context_required (422), scope_not_requested (422), addon_key_taken (409),
 *   install_in_progress (409), install_refused (502, with the exchange)
 */
export async function install(request: InstallRequest, parts: HostParts): Promise<Installed> {
  const { clock, platform } = parts.settings;
  const validation = await findDescriptor(request, parts);
  const descriptor = requireValid(validation);
  const granted = decideGranted(request, descriptor, platform);
  await requireSameOrigin(request, descriptor, granted.context, parts);

  const plan = { request, descriptor, ...granted };
  const { handshake, secrets, oauthClientSecret } = await begin(plan, parts);
  const exchanges: ExchangeRecord[] = [];
  const isAccepted = await tell(plan, { handshake, secrets, oauthClientSecret }, exchanges, parts);
  if (!isAccepted) {
    await parts.store.installations.refuseHandshake(handshake.id, clock.now());
    throw installRefused(exchanges.at(-1)!);
  }
  const installation = await commit(plan, handshake, parts);
  parts.wake();
  return {
    installation,
    descriptor,
    scopes: granted.scopes,
    resources: granted.resources,
    warnings: validation.faults,
    exchanges,
  };
}

interface Plan {
  request: InstallRequest;
  descriptor: Descriptor;
  context: string;
  scopes: string[];
  resources: string[] | null;
}

interface Begun {
  handshake: HandshakeRow;
  secrets: InstallationSecrets;
  oauthClientSecret: string;
}

async function begin(plan: Plan, parts: HostParts): Promise<Begun> {
  const { descriptor, context, scopes, resources, request } = plan;
  const { clock } = parts.settings;
  const patience = clock.now() + WAIT_FOR_OTHERS_MS;
  const oauthClientSecret = randomSecret();
  for (;;) {
    const before = await parts.store.installations.findByAddon(descriptor.key, context);
    const installationId = before?.id ?? newId();
    const secrets = candidateSecrets(before, descriptor, parts);
    const now = clock.now();
    const handshake = await parts.store.installations.beginHandshake({
      id: newId(),
      installationId,
      expectedEpoch: before?.epoch ?? null,
      addonKey: descriptor.key,
      context,
      clientKey: `mck_${newId()}`,
      oauthClientId: `mcl_${newId()}`,
      oauthSecretHash: sha256(oauthClientSecret),
      grantId: newId(),
      scopes,
      resources,
      descriptorUrl: request.descriptorUrl ?? null,
      baseUrl: descriptor.baseUrl,
      descriptor: descriptor.text,
      descriptorDigest: descriptor.digest,
      candidateSecrets: sealSecrets(parts.box, installationId, secrets),
      holder: newId(),
      at: now,
      deadline: now + HANDSHAKE_MS,
    });
    if (handshake) return { handshake, secrets, oauthClientSecret };
    if (now > patience) throw installInProgress(descriptor.key);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * An add-on may have stored the secret of a handshake and failed after that: it is sent the same one again,
 * unless it has moved to another origin.
 */
function candidateSecrets(
  before: InstallationRow | undefined,
  descriptor: Descriptor,
  parts: HostParts,
): InstallationSecrets {
  const hasMoved =
    before?.baseUrl != null &&
    new URL(before.baseUrl).origin !== new URL(descriptor.baseUrl).origin;
  if (before?.candidateSecrets && !hasMoved)
    return openSecrets(parts.box, before.id, before.candidateSecrets);
  return { shared: randomSecret(), webhook: randomWebhookSecret() };
}

/**
 * Calls `installed`. Signed with the secret the add-on has acknowledged; after 400 or 401 once more with the
 * candidate, if it was sent before: the add-on may know only that one.
 */
async function tell(
  plan: Plan,
  begun: Begun,
  exchanges: ExchangeRecord[],
  parts: HostParts,
): Promise<boolean> {
  const { descriptor, scopes } = plan;
  const { handshake, secrets, oauthClientSecret } = begun;
  const { installation, candidateWasSent } = handshake;
  if (descriptor.lifecycle.installed === undefined) return true;
  const acknowledged =
    installation.acknowledgedSecrets === null
      ? undefined
      : openSecrets(parts.box, installation.id, installation.acknowledgedSecrets);
  const signers = [acknowledged?.shared ?? secrets.shared];
  if (acknowledged && candidateWasSent) signers.push(secrets.shared);

  for (const [i, signWith] of signers.entries()) {
    const result: LifecycleResult = await callLifecycle(
      {
        kind: 'installed',
        attempt: i + 1,
        url: descriptor.lifecycle.installed,
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
    if (result.isAccepted) return true;
    if (descriptor.signedInstall || ![400, 401].includes(result.exchange.status ?? 0)) return false;
  }
  return false;
}

async function commit(
  plan: Plan,
  handshake: HandshakeRow,
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

function installRefused(exchange: ExchangeRecord): MortiseError {
  const { method, url, status, errorCode, message, excerpt, durationMs } = exchange;
  const what =
    status === null ? `did not answer (${message?.replace(/\.$/, '')})` : `answered ${status}`;
  return new MortiseError({
    code: 'install_refused',
    status: 502,
    message: `The add-on ${what} to ${method} ${url} after ${durationMs} ms, so nothing was installed.`,
    hint: 'Ask its author; the beginning of the answer is in "exchange". Then install it again.',
    extensions: {
      exchange: { method, url, status, error: errorCode, message, excerpt, durationMs },
    },
  });
}

function installInProgress(key: string): MortiseError {
  return new MortiseError({
    code: 'install_in_progress',
    status: 409,
    message: `"${key}" is being called about its installation in this context already.`,
    hint: 'Wait for that to end, then try again.',
  });
}
