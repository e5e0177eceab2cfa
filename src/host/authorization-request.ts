// What an OAuth 2 consumer asks a user for, between the question and the answer.
import type { ConsentRequest } from './consent.ts';

/** A validated request, as it is kept until the user has answered. */
export interface AuthorizationRequest extends ConsentRequest {
  kind: 'oauth2';
  /** Where the answer goes. */
  redirectTo: string;
  /** As sent; null if it was left out. */
  redirectUri: string | null;
  state: string | null;
  codeChallenge: string | null;
}
