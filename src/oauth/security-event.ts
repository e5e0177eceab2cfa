// Security Event Tokens (RFC 8417): what a client is told when a user's grant to it was taken back or narrowed, and how
// it is pushed (RFC 8935).
import type { KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { toSeconds } from '../core/clock.ts';
import type { Outbound } from '../core/outbound.ts';
import { seenAnswer } from '../core/seen-answer.ts';
import type { SecurityEvent, SecurityEventAttempt } from '../store/oauth-rows.ts';

/** OAuth Event Types 1.0: every token of this subject at this client is dead. */
const TOKENS_REVOKED = 'https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked';
/** CAEP 1.0: the tokens live, with other claims. */
const TOKEN_CLAIMS_CHANGE =
  'https://schemas.openid.net/secevent/caep/event-type/token-claims-change';

export interface SetSigner {
  issuer: string;
  kid: string;
  privateKey: KeyObject;
}

/** The same on every attempt: RS256 has no randomness, and all times are those of the event. */
export function securityEventToken(event: SecurityEvent, signer: SetSigner): string {
  const { issuer } = signer;
  const at = toSeconds(event.createdAt);
  const claims = {
    iss: issuer,
    aud: event.clientId,
    iat: at,
    jti: event.id,
    // RFC 9493: by the name that introspection has for the user.
    sub_id: { format: 'iss_sub', iss: issuer, sub: event.userId },
    events: event.scopes.length === 0 ? revoked(event, issuer) : narrowed(event, at),
  };
  return jwt.sign(claims, signer.privateKey, {
    algorithm: 'RS256',
    // RFC 8417 section 2.3: so that it is taken for nothing else.
    header: { alg: 'RS256', typ: 'secevent+jwt', kid: signer.kid },
  });
}

/** This type is older than RFC 9493 and has the subject inside. */
function revoked({ userId }: SecurityEvent, issuer: string): Record<string, unknown> {
  return {
    [TOKENS_REVOKED]: { subject: { subject_type: 'iss-sub', iss: issuer, sub: userId } },
  };
}

function narrowed({ scopes }: SecurityEvent, at: number): Record<string, unknown> {
  return {
    [TOKEN_CLAIMS_CHANGE]: { event_timestamp: at, claims: { scope: scopes.join(' ') } },
  };
}

const ANSWER_BYTES = 16 * 1024;

/**
 * `refused`: for good, since the receiver said why (RFC 8935 section 2.3) or is gone (410). RFC 8935 has 202 for a yes;
 * any 2xx is taken for one.
 */
export async function pushSecurityEvent(
  outbound: Outbound,
  push: { url: string; token: string; number: number; at: number },
): Promise<{ outcome: 'accepted' | 'refused' | 'failed'; attempt: SecurityEventAttempt }> {
  const answer = await outbound.send({
    method: 'POST',
    url: push.url,
    headers: {
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      'user-agent': 'Mortise-Security-Events/1',
    },
    body: Buffer.from(push.token),
    maxBytes: ANSWER_BYTES,
  });
  const status = answer.kind === 'answer' ? answer.status : 0;
  const isRefused =
    status === 410 ||
    (status === 400 && answer.kind === 'answer' && saysWhy(answer.body.toString('utf8')));
  return {
    outcome: status >= 200 && status < 300 ? 'accepted' : isRefused ? 'refused' : 'failed',
    attempt: {
      number: push.number,
      at: push.at,
      url: push.url,
      ...seenAnswer(answer, [push.token]),
    },
  };
}

function saysWhy(body: string): boolean {
  try {
    return typeof JSON.parse(body)?.err === 'string';
  } catch {
    return false;
  }
}
