// Where the browser is sent with the answer.
import type { HostParts } from './parts.ts';

/** An authorization answer: with `iss`, so that a client of several servers cannot be mixed up (RFC 9207). */
export function answerUrl(
  redirectTo: string,
  parameters: Record<string, string | null>,
  parts: HostParts,
): string {
  const url = new URL(redirectTo);
  for (const [name, value] of Object.entries({ ...parameters, iss: parts.settings.baseUrl })) {
    if (value !== null) url.searchParams.set(name, value);
  }
  return url.href;
}
