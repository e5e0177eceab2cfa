// OAuth 1.0a refusals: 400 for what is malformed or not offered, 401 for who did not prove themselves (RFC 5849 section
// 3.2). Codes are those of the OAuth Problem Reporting extension, where it has one.
import { MortiseError } from '../../core/errors.ts';

export type MalformedCode =
  | 'parameter_absent'
  | 'parameter_rejected'
  | 'parameter_repeated'
  | 'signature_method_rejected'
  | 'version_rejected';

export type UnprovenCode =
  | 'consumer_key_unknown'
  | 'nonce_used'
  | 'signature_invalid'
  | 'timestamp_refused'
  | 'token_rejected'
  | 'verifier_invalid';

/** Of every 401 (RFC 5849 section 3.5.1). */
export const OAUTH1_CHALLENGE = 'OAuth realm="api"';

export function malformed(code: MalformedCode, message: string, hint?: string): MortiseError {
  return new MortiseError({ code, status: 400, message, hint });
}

export function unproven(code: UnprovenCode, message: string, hint?: string): MortiseError {
  return new MortiseError({ code, status: 401, message, hint });
}
