// The token endpoint's errors, by their RFC 6749 section 5.2 names; our sentence is the description.
import { MortiseError } from '../core/errors.ts';

export type TokenErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope';

export function tokenError(code: TokenErrorCode, message: string): MortiseError {
  return new MortiseError({ code, status: code === 'invalid_client' ? 401 : 400, message });
}
