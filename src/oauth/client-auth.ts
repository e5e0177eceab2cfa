// Is this client who it says it is? Answers with the grant its tokens will live under.
import { matchesHash, randomSecret, sha256 } from '../core/secrets.ts';
import type { ClientRow } from '../store/rows.ts';
import type { Store } from '../store/store.ts';
import type { AddonJwtVerifier } from './addon-jwt.ts';
import type { PresentedCredentials } from './credentials.ts';
import { tokenError } from './errors.ts';

export interface AuthenticatedClient {
  client: ClientRow;
  /** How it proved itself; a public client only names itself. */
  by: 'secret' | 'jwt' | 'nothing';
  /** A handshake's credentials work for that handshake only, and its tokens belong to its grant. */
  handshakeGrantId: string | undefined;
}

/** Compared when there is no such client, so that both take the same work. */
const NOBODY = sha256(randomSecret());

/** @throws invalid_client, with one sentence for all reasons: which half was wrong is nobody's business */
export async function authenticateClient(
  presented: PresentedCredentials,
  request: { method: string; url: string; now: number },
  parts: { store: Store; jwt: AddonJwtVerifier },
): Promise<AuthenticatedClient> {
  const { now } = request;
  if (presented.kind === 'jwt') {
    const verified = await parts.jwt.verify(presented.token, request);
    if ('reason' in verified) throw tokenError('invalid_client', verified.reason);
    const client = await parts.store.clients.find(verified.installation.oauthClientId);
    return accept(client, 'jwt', verified.isCandidate ? 'candidate' : 'current', now);
  }
  const client = await parts.store.clients.find(presented.clientId);
  if (presented.kind === 'public') {
    if (!client?.isPublic || !client.isEnabled) throw refused();
    return { client, by: 'nothing', handshakeGrantId: undefined };
  }
  return accept(client, 'secret', proofOf(presented.clientSecret, client, now), now);
}

type Proof = 'current' | 'candidate' | 'wrong';

/** Every comparison is made, whatever the others say. */
function proofOf(secret: string, client: ClientRow | undefined, now: number): Proof {
  const isCurrent = matchesHash(secret, client?.secretHash ?? NOBODY);
  const isPrevious = matchesHash(secret, client?.previous?.secretHash ?? NOBODY);
  const isCandidate = matchesHash(secret, client?.handshake?.secretHash ?? NOBODY);
  if (isCurrent || (isPrevious && client!.previous!.until > now)) return 'current';
  return isCandidate ? 'candidate' : 'wrong';
}

/** Credentials of a handshake work while it is under way, the others while the client is enabled. */
function accept(
  client: ClientRow | undefined,
  by: 'secret' | 'jwt',
  proof: Proof,
  now: number,
): AuthenticatedClient {
  if (client && proof === 'current' && client.isEnabled) {
    return { client, by, handshakeGrantId: undefined };
  }
  if (client?.handshake && proof === 'candidate' && client.handshake.deadline > now) {
    return { client, by, handshakeGrantId: client.handshake.grantId };
  }
  throw refused();
}

function refused() {
  return tokenError(
    'invalid_client',
    'The client is unknown, no longer installed, or its secret is wrong.',
  );
}
