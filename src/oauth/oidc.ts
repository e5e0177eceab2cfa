// The product's OpenID Connect provider, as its client: authorization code with PKCE, state and nonce.
// Plain fetch on purpose, not core/outbound: the operator configured this address, and it may well be a private one.
import * as openid from 'openid-client';
import type { Clock } from '../core/clock.ts';
import { MortiseError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

export interface OidcClient {
  issuer: string;
  clientId: string;
  clientSecret: string;
  operatorClaim: { name: string; value: string } | undefined;
  /** Development only. */
  isPlainHttpAllowed: boolean;
}

/** What proves that the answer belongs to the question. */
export interface SignInChecks {
  state: string;
  nonce: string;
  verifier: string;
}

export interface OidcUser {
  id: string;
  name: string | undefined;
  isOperator: boolean;
}

const TIMEOUT_S = 10;
/** Then the metadata is asked for again: endpoints move. */
const METADATA_LIFETIME_MS = 3_600_000;
const NAME_LENGTH = 200;

export class OidcProvider {
  readonly #client: OidcClient;
  readonly #clock: Clock;
  readonly #log: Logger;
  #known: { configuration: Promise<openid.Configuration>; until: number } | undefined;

  constructor(client: OidcClient, clock: Clock, log: Logger) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /** Where the browser goes. @throws sign_in_unavailable */
  async authorizationUrl(redirectUri: string, checks: SignInChecks): Promise<string> {
    const configuration = await this.#discover();
    const url = openid.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: this.#scope(configuration),
      state: checks.state,
      nonce: checks.nonce,
      code_challenge: await openid.calculatePKCECodeChallenge(checks.verifier),
      code_challenge_method: 'S256',
    });
    return url.href;
  }

  /**
   * @param callback the redirect URI as the browser came back to it, with the answer
   * @throws sign_in_refused, sign_in_failed, sign_in_unavailable
   */
  async finish(callback: URL, checks: SignInChecks): Promise<OidcUser> {
    const configuration = await this.#discover();
    try {
      const tokens = await openid.authorizationCodeGrant(configuration, callback, {
        expectedState: checks.state,
        expectedNonce: checks.nonce,
        pkceCodeVerifier: checks.verifier,
        idTokenExpected: true,
      });
      return this.#userOf(await claimsOf(configuration, tokens, this.#client.operatorClaim?.name));
    } catch (error) {
      this.#note(error, 'a sign-in failed');
      throw asSignInError(error);
    }
  }

  /** Lazily, so that a provider that is down keeps nobody from starting; kept once it worked. */
  async #discover(): Promise<openid.Configuration> {
    const now = this.#clock.now();
    if (!this.#known || this.#known.until <= now) {
      this.#known = { configuration: this.#ask(), until: now + METADATA_LIFETIME_MS };
    }
    const known = this.#known;
    try {
      return await known.configuration;
    } catch (error) {
      if (this.#known === known) {
        this.#known = undefined;
        this.#note(error, 'the OpenID provider could not be discovered');
      }
      throw unavailable(error);
    }
  }

  #ask(): Promise<openid.Configuration> {
    const { issuer, clientId, clientSecret, isPlainHttpAllowed } = this.#client;
    return openid.discovery(
      new URL(issuer),
      clientId,
      { client_secret: clientSecret },
      authentication(clientSecret),
      {
        timeout: TIMEOUT_S,
        execute: [
          // The signature of the ID token too, not only the TLS it came by.
          openid.enableNonRepudiationChecks,
          ...(isPlainHttpAllowed ? [openid.allowInsecureRequests] : []),
        ],
      },
    );
  }

  /** Some providers give a claim for a scope of its name, such as `groups`. */
  #scope(configuration: openid.Configuration): string {
    const claim = this.#client.operatorClaim?.name;
    const offered = configuration.serverMetadata().scopes_supported ?? [];
    const scopes = ['openid', 'profile'];
    if (claim && offered.includes(claim) && !scopes.includes(claim)) scopes.push(claim);
    return scopes.join(' ');
  }

  #userOf(claims: Claims): OidcUser {
    const name = textOf(claims.name) ?? textOf(claims.preferred_username);
    const { operatorClaim } = this.#client;
    return {
      id: claims.sub,
      name,
      isOperator:
        operatorClaim !== undefined && hasValue(claims[operatorClaim.name], operatorClaim.value),
    };
  }

  /** Never the error itself: its causes hold tokens. */
  #note(error: unknown, what: string): void {
    const { name, message, code, error: reason, cause } = error as Record<string, unknown>;
    const because = (cause as Error | undefined)?.message;
    this.#log.warn(
      { issuer: this.#client.issuer, failure: { name, message, code, reason, because } },
      what,
    );
  }
}

type Claims = { sub: string } & Record<string, unknown>;

/** Those of the ID token; strict providers tell the rest at the userinfo endpoint only. */
async function claimsOf(
  configuration: openid.Configuration,
  tokens: openid.TokenEndpointResponse & openid.TokenEndpointResponseHelpers,
  operatorClaim: string | undefined,
): Promise<Claims> {
  const claims = tokens.claims() as Claims;
  const hasName = claims.name !== undefined || claims.preferred_username !== undefined;
  const isComplete = hasName && (!operatorClaim || claims[operatorClaim] !== undefined);
  if (isComplete || !configuration.serverMetadata().userinfo_endpoint) return claims;
  const more = await openid.fetchUserInfo(configuration, tokens.access_token, claims.sub);
  return { ...more, ...claims };
}

/** As the provider takes it; Basic where it does not say. */
function authentication(secret: string): openid.ClientAuth {
  const basic = openid.ClientSecretBasic(secret);
  const post = openid.ClientSecretPost(secret);
  return (server, ...rest) => {
    const taken = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    return taken.includes('client_secret_basic') ? basic(server, ...rest) : post(server, ...rest);
  };
}

function textOf(claim: unknown): string | undefined {
  if (typeof claim !== 'string') return undefined;
  return claim.trim().slice(0, NAME_LENGTH) || undefined;
}

function hasValue(claim: unknown, value: string): boolean {
  return Array.isArray(claim) ? claim.includes(value) : claim === value;
}

function asSignInError(error: unknown): MortiseError {
  if (error instanceof openid.AuthorizationResponseError) {
    const code = /^[\w.-]{1,64}$/.test(error.error) ? `: ${error.error}` : '';
    return new MortiseError({
      code: 'sign_in_refused',
      status: 403,
      message: `The sign-in provider refused the sign-in${code}.`,
      cause: error,
    });
  }
  if (isUnreachable(error)) return unavailable(error);
  return new MortiseError({
    code: 'sign_in_failed',
    status: 502,
    message: 'The sign-in provider gave an answer that cannot be accepted.',
    hint: 'If it happens again, an operator finds the reason in the log of this host.',
    cause: error,
  });
}

function isUnreachable(error: unknown): boolean {
  // `fetch failed` is a TypeError, whatever the network did.
  return error instanceof TypeError || (error as { code?: string }).code === 'OAUTH_TIMEOUT';
}

function unavailable(cause: unknown): MortiseError {
  return new MortiseError({
    code: 'sign_in_unavailable',
    status: 503,
    message:
      'The sign-in provider does not answer as it should, so nobody can sign in at the moment.',
    hint: 'Try again in a moment. If it stays so, an operator finds the reason in the log of this host.',
    cause,
  });
}
