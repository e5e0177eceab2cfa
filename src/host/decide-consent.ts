// The user's answer to an OAuth 2 consumer. Allowing makes the grant and the code in one transaction.
import { randomSecret, sha256 } from '../core/secrets.ts';
import { CODE_LIFETIME_MS } from '../oauth/authorization-code.ts';
import { isRegistered } from '../oauth/redirect-uri.ts';
import { answerUrl } from './answer-url.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { redirectUriWrong } from './authorize-faults.ts';
import { allowedScopes, type ConsentAnswer, planUserGrant, takeConsent } from './consent.ts';
import type { User } from './options.ts';
import type { HostParts } from './parts.ts';

const CODE_PREFIX = 'mtc_';

/** @returns where the browser goes. @throws consent_over, user_deactivated */
export async function decideConsent(
  answer: ConsentAnswer,
  asker: { user: User; sessionHash: Buffer },
  parts: HostParts,
): Promise<string> {
  const request = await takeConsent<AuthorizationRequest>('oauth2', answer, asker, parts);
  // An address taken off the registration since the question gets no answer.
  const client = await parts.store.clients.find(request.clientId);
  if (!isRegistered(request.redirectTo, client?.redirectUris ?? [])) throw redirectUriWrong();
  if (!answer.isAllowed) {
    return answerUrl(request.redirectTo, { error: 'access_denied', state: request.state }, parts);
  }
  return issueCode(
    request,
    asker.user,
    allowedScopes(request, answer.ticked),
    answer.resources,
    parts,
  );
}

export async function issueCode(
  request: AuthorizationRequest,
  user: User,
  scopes: string[],
  resources: string[] | null | 'as-before',
  parts: HostParts,
): Promise<string> {
  const now = parts.settings.clock.now();
  const code = randomSecret(CODE_PREFIX);
  await parts.store.authorization.grantAndIssueCode(
    await planUserGrant(request, user, scopes, resources, parts),
    {
      codeHash: sha256(code),
      redirectUri: request.redirectUri,
      codeChallenge: request.codeChallenge,
      scopes,
      createdAt: now,
      expiresAt: now + CODE_LIFETIME_MS,
    },
  );
  return answerUrl(request.redirectTo, { code, state: request.state }, parts);
}
