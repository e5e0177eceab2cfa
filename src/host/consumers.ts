// Registers and changes consumers: OAuth clients made by hand.
import { bareHost, isPrivateHost, type OutboundPolicy } from '../core/addresses.ts';
import { MortiseError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { targetOf } from '../core/outbound-guard.ts';
import { randomSecret, SECRET_OVERLAP_MS, sha256 } from '../core/secrets.ts';
import { didYouMean } from '../core/suggest.ts';
import { faultOfRedirectUri } from '../oauth/redirect-uri.ts';
import type { Consumer } from '../store/oauth-rows.ts';
import type { UsedScope } from '../store/oauth1-rows.ts';
import { requireContext } from './granted.ts';
import type { HostParts } from './parts.ts';

export interface ConsumerRequest {
  name: string;
  redirectUris: string[];
  /** Where it is told that a grant to it was taken back. */
  eventsUri?: string;
  /** null only for an import: registered before scopes existed, all access. */
  scopes: string[] | null;
  isPublic?: boolean;
  isOauth1?: boolean;
  /** The context it belongs to. */
  owner?: string;
  ownerUser?: string;
  /** Of a consumer that was registered elsewhere before. */
  imported?: { clientId: string; clientSecret: string };
}

export interface RegisteredConsumer {
  consumer: Consumer;
  /** This once; undefined for public consumers. */
  clientSecret: string | undefined;
}

const MOST_REDIRECT_URIS = 20;
/** Shorter ones could be guessed. */
const SHORTEST_SECRET = 8;

/** @throws consumer_invalid, scope_unknown, client_id_taken, context_required */
export async function registerConsumer(
  request: ConsumerRequest,
  parts: HostParts,
): Promise<RegisteredConsumer> {
  const { platform, clock } = parts.settings;
  const isPublic = request.isPublic ?? false;
  if (isPublic && request.isOauth1) {
    throw refuse(
      'A public consumer has no secret to sign with: "oauth1" and "public" exclude each other.',
    );
  }
  const name = checkName(request.name);
  const redirectUris = checkRedirectUris(request.redirectUris);
  const scopes = request.scopes === null ? null : knownScopes(request.scopes, parts);
  if (request.scopes === null && !request.imported) {
    throw refuse(
      'A new consumer must name its scopes: "scopes": [] asks for none; null is for consumers imported from before scopes existed.',
    );
  }
  if (request.imported && request.imported.clientSecret.length < SHORTEST_SECRET) {
    throw refuse(`"clientSecret" of an import has at least ${SHORTEST_SECRET} characters.`);
  }
  // Without a place of its own a consumer can ask users, and act for nobody else.
  const hasOwner = request.owner !== undefined || platform.contextKinds.size === 0;
  const ownerContext = hasOwner ? requireContext(request.owner, platform) : '';
  const clientSecret = isPublic ? undefined : (request.imported?.clientSecret ?? randomSecret());
  const id = request.imported?.clientId ?? `mcc_${newId()}`;
  if (!/^[\x21-\x7e]{1,128}$/.test(id))
    throw refuse('"clientId" must be 1 to 128 visible characters.');
  if (await parts.store.clients.find(id)) {
    throw new MortiseError({
      code: 'client_id_taken',
      status: 409,
      message: `There is a consumer "${id}" already.`,
    });
  }
  const consumer = await parts.store.consumers.create({
    id,
    name,
    redirectUris,
    eventsUri: request.eventsUri === undefined ? null : checkEventsUri(request.eventsUri, parts),
    scopes,
    isPublic,
    ownerContext,
    ownerUser: request.ownerUser ?? null,
    secretHash: clientSecret === undefined ? null : sha256(clientSecret),
    oauth1Secret:
      request.isOauth1 && clientSecret !== undefined
        ? parts.box.seal(clientSecret, oauth1SecretRow(id))
        : null,
    ownGrantId: isPublic || !hasOwner ? undefined : newId(),
    createdAt: clock.now(),
  });
  return { consumer, clientSecret };
}

/** @throws consumer_not_found, consumer_invalid, scope_unknown */
export async function changeConsumer(
  id: string,
  change: {
    name?: string;
    redirectUris?: string[];
    eventsUri?: string | null;
    scopes?: string[];
  },
  parts: HostParts,
): Promise<Consumer> {
  const changed = await parts.store.consumers.change(
    id,
    {
      ...(change.name !== undefined && { name: checkName(change.name) }),
      ...(change.redirectUris !== undefined && {
        redirectUris: checkRedirectUris(change.redirectUris),
      }),
      ...(change.eventsUri !== undefined && {
        eventsUri: change.eventsUri && checkEventsUri(change.eventsUri, parts),
      }),
      ...(change.scopes !== undefined && { scopes: knownScopes(change.scopes, parts) }),
      ownGrantId: newId(),
    },
    parts.settings.clock.now(),
  );
  if (!changed) throw consumerNotFound(id);
  return changed;
}

/**
 * Ends OAuth 1 for a consumer, and all access for one registered before scopes existed: its secret is a client secret
 * of OAuth 2 only, what it signed with is revoked, its scopes are those named.
 * @returns the consumer, and which scopes it has really used, each with whether it is covered now.
 * @throws consumer_not_found, scope_unknown
 */
export async function upgradeConsumer(
  id: string,
  scopes: string[],
  parts: HostParts,
): Promise<{ consumer: Consumer; used: (UsedScope & { isCovered: boolean })[] }> {
  const named = knownScopes(scopes, parts);
  const consumer = await parts.store.consumers.change(
    id,
    { scopes: named, closesOauth1: true, ownGrantId: newId() },
    parts.settings.clock.now(),
  );
  if (!consumer) throw consumerNotFound(id);
  const used = await parts.store.usedScopes.list(id);
  const closure = parts.settings.platform.scopes.closure(named);
  return {
    consumer,
    used: used.map((use) => ({ ...use, isCovered: closure.has(use.scope) })),
  };
}

/** The old secret stays good for a day. @returns the new one, this once. @throws consumer_not_found */
export async function rotateConsumerSecret(id: string, parts: HostParts): Promise<string> {
  const secret = randomSecret();
  const now = parts.settings.clock.now();
  const isRotated = await parts.store.consumers.rotateSecret(
    id,
    { hash: sha256(secret), oauth1: parts.box.seal(secret, oauth1SecretRow(id)) },
    now,
    now + SECRET_OVERLAP_MS,
  );
  if (!isRotated) throw consumerNotFound(id);
  return secret;
}

/** @throws consumer_not_found */
export async function removeConsumer(id: string, parts: HostParts): Promise<void> {
  if (!(await parts.store.consumers.remove(id, parts.settings.clock.now())))
    throw consumerNotFound(id);
}

/** What the sealed secret of a consumer that signs is bound to. */
export function oauth1SecretRow(id: string): string {
  return `oauth_clients/${id}/oauth1_secret`;
}

export function consumerNotFound(id: string): MortiseError {
  return new MortiseError({
    code: 'consumer_not_found',
    status: 404,
    message: `There is no consumer "${id}".`,
  });
}

function checkName(name: string): string {
  const trimmed = name.trim();
  if (trimmed === '' || trimmed.length > 100) throw refuse('"name" must have 1 to 100 characters.');
  return trimmed;
}

function checkRedirectUris(uris: string[]): string[] {
  if (uris.length > MOST_REDIRECT_URIS)
    throw refuse(`At most ${MOST_REDIRECT_URIS} redirect URIs can be registered.`);
  for (const uri of uris) {
    const fault = faultOfRedirectUri(uri);
    if (fault !== undefined)
      throw refuse(`The redirect URI "${uri}" cannot be registered. ${fault}`);
  }
  return [...new Set(uris)];
}

const LONGEST_EVENTS_URI = 2_048;

function checkEventsUri(uri: string, { settings: { policy } }: HostParts): string {
  const fault = faultOfEventsUri(uri, policy);
  if (fault === undefined) return uri;
  throw refuse(`The security events URL cannot be registered. ${fault}`);
}

function faultOfEventsUri(uri: string, policy: OutboundPolicy): string | undefined {
  if (uri.length > LONGEST_EVENTS_URI) return `It has more than ${LONGEST_EVENTS_URI} characters.`;
  const target = targetOf(uri, policy);
  if ('code' in target) return target.message;
  const { hostname } = new URL(uri);
  return isPrivateHost(hostname, policy)
    ? `"${bareHost(hostname)}" is not a public address; this host does not call it.`
    : undefined;
}

function knownScopes(names: string[], parts: HostParts): string[] {
  const { scopes } = parts.settings.platform;
  return [
    ...new Set(
      names.map((name) => {
        const scope = scopes.find(name);
        if (scope !== undefined) return scope;
        throw new MortiseError({
          code: 'scope_unknown',
          status: 422,
          message: `"${name}" is not a scope of this platform.`,
          hint: didYouMean(name, scopes.all.keys()) ?? 'All scopes: GET /operator/v1/scopes',
        });
      }),
    ),
  ];
}

function refuse(message: string): MortiseError {
  return new MortiseError({ code: 'consumer_invalid', status: 422, message });
}
