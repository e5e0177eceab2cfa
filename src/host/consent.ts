// What every consent has in common, whichever protocol asks: a request is kept, shown to one user in one session,
// answered once; and the grant that an allowed one makes.
import { MortiseError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { randomSecret, sha256 } from '../core/secrets.ts';
import type { Granted, GrantView, UserGrant } from '../store/oauth-rows.ts';
import type { User } from './options.ts';
import type { HostParts } from './parts.ts';

/** What both protocols ask a user for. */
export interface ConsentRequest {
  /** Which protocol asked: an answer is taken at its own door only. */
  kind: 'oauth2' | 'oauth1';
  clientId: string;
  clientName: string;
  scopes: string[];
  /** Those the user may leave out. */
  optional: string[];
}

export interface ConsentAnswer {
  consentId: string;
  isAllowed: boolean;
  /** Optional scopes the user left ticked. */
  ticked: string[];
  /** null = all. */
  resources: string[] | null;
}

const CONSENT_LIFETIME_MS = 10 * 60_000;

/** @returns the id of the question, for the form. */
export async function openConsent(
  request: ConsentRequest,
  asker: { user: User; sessionHash: Buffer },
  parts: HostParts,
): Promise<string> {
  const id = randomSecret('mtn_');
  const now = parts.settings.clock.now();
  await parts.store.consents.open({
    idHash: sha256(id),
    clientId: request.clientId,
    userId: asker.user.id,
    sessionHash: asker.sessionHash,
    request: JSON.stringify(request),
    createdAt: now,
    expiresAt: now + CONSENT_LIFETIME_MS,
  });
  return id;
}

/** The request as it was shown, once, to the user and the session it was shown to. @throws nothing_chosen, consent_over, user_deactivated */
export async function takeConsent<T extends ConsentRequest>(
  kind: T['kind'],
  answer: ConsentAnswer,
  asker: { user: User; sessionHash: Buffer },
  parts: HostParts,
): Promise<T> {
  // Before the question is used up: it can be answered again.
  if (answer.isAllowed && answer.resources?.length === 0) throw nothingChosen();
  const row = await parts.store.consents.take(
    sha256(answer.consentId),
    asker.user.id,
    asker.sessionHash,
    parts.settings.clock.now(),
  );
  const request: T | undefined = row && JSON.parse(row.request);
  if (request?.kind !== kind) throw consentOver();
  if (await parts.store.grants.isDeactivated(asker.user.id)) throw userDeactivated();
  // The consumer may be gone since it asked.
  const client = await parts.store.clients.find(request.clientId);
  if (!client?.isEnabled) throw consentOver();
  return request;
}

function nothingChosen(): MortiseError {
  return new MortiseError({
    code: 'nothing_chosen',
    status: 422,
    message: 'You allowed access to "only these", and ticked none, so nothing was granted.',
    hint: 'Go back, and tick at least one; or deny.',
  });
}

/** What was posted can only take away from what was shown. */
export function allowedScopes(request: ConsentRequest, ticked: string[]): string[] {
  return request.scopes.filter(
    (scope) => !request.optional.includes(scope) || ticked.includes(scope),
  );
}

const MOST_TRIES = 10;

/**
 * The grant covers what was granted before and is not asked now, and what is allowed now. What was taken back while it
 * was made is not brought back: then it is made anew from what stands.
 * @param write says `over` once the request was answered otherwise or has expired.
 * @throws consent_over, user_deactivated
 */
export async function grantAllowed(
  request: ConsentRequest,
  user: User,
  allowed: { scopes: string[]; resources: string[] | null },
  parts: HostParts,
  write: (grant: UserGrant) => Promise<Granted | 'over'>,
): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const before = await parts.store.grants.findOfUser(user.id, request.clientId);
    const granted = await write(planUserGrant(request, user, allowed, before, parts));
    if (granted === 'granted') return;
    if (granted === 'user-deactivated') throw userDeactivated();
    if (granted === 'over') break;
  }
  throw consentOver();
}

export function planUserGrant(
  request: ConsentRequest,
  user: User,
  { scopes, resources }: { scopes: string[]; resources: string[] | null },
  before: GrantView | undefined,
  { settings: { platform } }: HostParts,
): UserGrant {
  const kept = isWithin(resources, before?.resources ?? null)
    ? (before?.scopes ?? []).filter(
        (scope) => !request.scopes.includes(scope) && !platform.scopes.covers(scopes, scope),
      )
    : [];
  return {
    id: newId(),
    clientId: request.clientId,
    userId: user.id,
    scopes: [...scopes, ...kept],
    resources,
    basedOn: before?.id ?? null,
  };
}

/** What was granted before on fewer resources must not silently be granted on more. */
function isWithin(resources: string[] | null, before: string[] | null): boolean {
  if (before === null) return true;
  return resources?.every((resource) => before.includes(resource)) ?? false;
}

export function consentOver(): MortiseError {
  return new MortiseError({
    code: 'consent_over',
    status: 400,
    message: 'This request was answered already, has expired, or belongs to another sign-in.',
    hint: 'Go back to the application and start again.',
  });
}

export function userDeactivated(): MortiseError {
  return new MortiseError({
    code: 'user_deactivated',
    status: 403,
    message: 'Your account is closed: it cannot let applications in.',
  });
}
