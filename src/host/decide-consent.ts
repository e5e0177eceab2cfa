// The user's answer to an OAuth 2 consumer. Allowing makes the grant and the code in one transaction.
import { randomSecret, sha256 } from '../core/secrets.ts';
import { CODE_LIFETIME_MS } from '../oauth/authorization-code.ts';
import { isRegistered } from '../oauth/redirect-uri.ts';
import type { GrantView, NewCode } from '../store/oauth-rows.ts';
import { answerUrl } from './answer-url.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { redirectUriWrong } from './authorize-faults.ts';
import {
  allowedScopes,
  type ConsentAnswer,
  grantAllowed,
  planUserGrant,
  takeConsent,
} from './consent.ts';
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
  const allowed = {
    scopes: allowedScopes(request, answer.ticked),
    resources: answer.resources,
  };
  const code = newCode(request, allowed.scopes, parts);
  await grantAllowed(request, asker.user, allowed, parts, (grant) =>
    parts.store.authorization.grantAndIssueCode(grant, code.row),
  );
  return code.answer;
}

/**
 * Without a question, from what was granted before.
 * @returns where the browser goes; undefined if that grant is not in force any more: then the user is asked.
 */
export async function answerFromGrant(
  request: AuthorizationRequest,
  user: User,
  before: GrantView,
  parts: HostParts,
): Promise<string | undefined> {
  const allowed = { scopes: request.scopes, resources: before.resources };
  const code = newCode(request, allowed.scopes, parts);
  const granted = await parts.store.authorization.grantAndIssueCode(
    planUserGrant(request, user, allowed, before, parts),
    code.row,
  );
  return granted === 'granted' ? code.answer : undefined;
}

function newCode(
  request: AuthorizationRequest,
  scopes: string[],
  parts: HostParts,
): { row: NewCode; answer: string } {
  const now = parts.settings.clock.now();
  const code = randomSecret(CODE_PREFIX);
  return {
    row: {
      codeHash: sha256(code),
      redirectUri: request.redirectUri,
      codeChallenge: request.codeChallenge,
      scopes,
      createdAt: now,
      expiresAt: now + CODE_LIFETIME_MS,
    },
    answer: answerUrl(request.redirectTo, { code, state: request.state }, parts),
  };
}
