// What every grant type is given, and what it gives.
import type { Platform } from '../platform/platform.ts';
import type { Store } from '../store/store.ts';
import type { IssuedToken } from './access-token.ts';

export interface GrantParts {
  store: Store;
  platform: Platform;
  now: number;
}

export interface Issued extends IssuedToken {
  /** Only where RFC 6749 has one: not for client credentials and assertions. */
  refreshToken?: string;
}
