// The add-on did not say yes to `installed`: what it did instead, and what that leaves.
import { MortiseError } from '../core/errors.ts';
import type { ExchangeRecord } from '../store/rows.ts';

export function callRefused(
  exchange: ExchangeRecord,
  said: { code: string; consequence: string; again: string },
): MortiseError {
  const { method, url, status, errorCode, message, excerpt, durationMs } = exchange;
  const what =
    status === null ? `did not answer (${message?.replace(/\.$/, '')})` : `answered ${status}`;
  const isRedirect = status !== null && status >= 300 && status < 400;
  return new MortiseError({
    code: said.code,
    status: 502,
    message: `The add-on ${what} to ${method} ${url} after ${durationMs} ms, so ${said.consequence}.`,
    hint: isRedirect
      ? 'Redirects are not followed: the descriptor must name the address itself.'
      : `Ask its author; the beginning of the answer is in "exchange". Then ${said.again}.`,
    extensions: {
      exchange: { method, url, status, error: errorCode, message, excerpt, durationMs },
    },
  });
}
