// Signing in through the OpenID provider: what was begun in a browser is finished in that browser, once.
import { MortiseError } from '../core/errors.ts';
import { randomSecret, sha256 } from '../core/secrets.ts';
import type { OidcProvider, OidcUser, SignInChecks } from '../oauth/oidc.ts';
import type { HostParts } from './parts.ts';

const SIGN_IN_MS = 10 * 60_000;

/** @returns where the browser goes. @throws sign_in_unavailable */
export async function beginSignIn(
  browser: { sessionHash: Buffer; returnTo: string },
  provider: OidcProvider,
  parts: HostParts,
): Promise<string> {
  const { sessionHash, returnTo } = browser;
  const [state, nonce, verifier] = [randomSecret(), randomSecret(), randomSecret()];
  const url = await provider.authorizationUrl(callbackUrl(parts), { state, nonce, verifier });
  const now = parts.settings.clock.now();
  await parts.store.sessions.beginSignIn(
    {
      sessionHash,
      stateHash: sha256(state),
      sealed: parts.box.seal(JSON.stringify({ nonce, verifier }), rowName(sessionHash)),
      returnTo,
      expiresAt: now + SIGN_IN_MS,
    },
    now,
  );
  return url;
}

/** What the browser came back with, and what it then wanted. */
export interface TakenSignIn {
  checks: SignInChecks;
  returnTo: string;
}

/** @throws sign_in_over unless it was begun in this browser, not long ago, and not taken before */
export async function takeSignIn(
  sessionHash: Buffer,
  state: string,
  parts: HostParts,
): Promise<TakenSignIn> {
  const { store, settings, box } = parts;
  const now = settings.clock.now();
  const row = await store.sessions.takeSignIn(sessionHash, sha256(state), now);
  if (!row) {
    throw new MortiseError({
      code: 'sign_in_over',
      status: 400,
      message: 'This sign-in is over, or was begun in another browser or window.',
    });
  }
  const secrets = JSON.parse(box.open(row.sealed, rowName(sessionHash)));
  return { checks: { state, ...secrets }, returnTo: row.returnTo };
}

/** @param search the query of the callback, as it came. @throws sign_in_refused, sign_in_failed, sign_in_unavailable */
export function finishSignIn(
  search: string,
  { checks }: TakenSignIn,
  provider: OidcProvider,
  parts: HostParts,
): Promise<OidcUser> {
  return provider.finish(new URL(callbackUrl(parts) + search), checks);
}

/** Never from the request: whoever sends one writes its Host header. */
function callbackUrl({ settings }: HostParts): string {
  return `${settings.baseUrl}/signin/callback`;
}

function rowName(sessionHash: Buffer): string {
  return `sign_ins/${sessionHash.toString('hex')}`;
}
