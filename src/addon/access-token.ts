// Access tokens by client credentials: fetched when needed, kept until shortly before they expire.
import { AddonError } from './errors.ts';

export interface AccessTokensOptions {
  /** The host's token endpoint. */
  tokenUrl: string;
  clientId: string;
  clientSecret: string;
  /** Fewer scopes than were granted; default all of them. */
  scope?: string;
}

export interface AccessToken {
  token: string;
  scopes: string[];
  expiresAt: number;
}

const RENEW_BEFORE_MS = 60_000;

export class AccessTokens {
  readonly #options: AccessTokensOptions;
  #current: Promise<AccessToken> | undefined;
  #expiresAt = 0;

  constructor(options: AccessTokensOptions) {
    this.#options = options;
  }

  /** One request for any number of callers. @throws token_refused, token_unreachable */
  get(): Promise<AccessToken> {
    if (!this.#current || Date.now() > this.#expiresAt - RENEW_BEFORE_MS) {
      this.#expiresAt = Number.POSITIVE_INFINITY;
      this.#current = this.#fetch().then(
        (token) => {
          this.#expiresAt = token.expiresAt;
          return token;
        },
        (error: unknown) => {
          this.forget();
          throw error;
        },
      );
    }
    return this.#current;
  }

  /** After a 401: the next get() fetches a new one. */
  forget(): void {
    this.#current = undefined;
  }

  async #fetch(): Promise<AccessToken> {
    const { tokenUrl, clientId, clientSecret, scope } = this.#options;
    const basic = Buffer.from(
      `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`,
    ).toString('base64');
    const response = await fetch(tokenUrl, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope && { scope }) }),
      redirect: 'error',
      signal: AbortSignal.timeout(10_000),
    }).catch((cause: Error) => {
      throw new AddonError(
        'token_unreachable',
        `${tokenUrl} did not answer: ${cause.message}.`,
        503,
      );
    });
    const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    if (!response.ok || typeof answer.access_token !== 'string') {
      throw new AddonError(
        'token_refused',
        `${tokenUrl} answered ${response.status}: ${answer.error_description ?? answer.error ?? 'no reason given'}`,
      );
    }
    return {
      token: answer.access_token,
      scopes: String(answer.scope ?? '')
        .split(' ')
        .filter(Boolean),
      expiresAt: Date.now() + Number(answer.expires_in ?? 0) * 1000,
    };
  }
}
