// Faults of an authorization request that are shown, not redirected.
import { MortiseError } from '../core/errors.ts';

export function redirectUriWrong(): MortiseError {
  return new MortiseError({
    code: 'redirect_uri_wrong',
    status: 400,
    message:
      'The application asked for the answer at an address that it has not registered, so nothing is sent there.',
    hint: 'Its author must register that exact "redirect_uri".',
  });
}
