// Access tokens: hashes only. A check is one join over the grant, so that ending a grant ends its tokens.
import type { Database } from 'better-sqlite3';
import { readList, writeList } from '../lists.ts';
import type { TokenStore } from '../oauth-store.ts';
import type { InstallationState, TokenCheck } from '../rows.ts';
import { KEEP_EXPIRED_MS } from '../sweep-rules.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** In the order of CHECK_COLUMNS: building an array costs far less than naming every value. */
type RawCheck = [
  clientId: string,
  clientScopes: string | null,
  scopes: string,
  resources: string | null,
  expiresAt: number,
  revokedAt: number | null,
  grantId: string,
  userId: string | null,
  kind: TokenCheck['grant']['kind'],
  context: string | null,
  grantScopes: string,
  grantResources: string | null,
  until: number | null,
  handshakeDeadline: number | null,
  installationId: string | null,
  addonKey: string,
  installationContext: string,
  clientKey: string,
  state: InstallationState,
];

// The scopes of a consumer registered by hand; an installation's client has none of its own.
const CHECK_COLUMNS = `g.client_id, CASE WHEN c.kind = 'installation' THEN NULL ELSE c.scopes END,
  t.scopes, t.resources, t.expires_at, t.revoked_at,
  g.id, g.user_id, g.kind, g.context, g.scopes, g.resources, g.until, h.deadline,
  i.id, i.addon_key, i.context, i.client_key, i.state`;

export function tokenStore(db: Database, writer: Writer, reader: Reader): TokenStore {
  const insert = db.prepare(
    `INSERT INTO oauth_access_tokens (token_hash, grant_id, client_id, scopes, resources, created_at, expires_at, family_id)
     VALUES (@tokenHash, @grantId, @clientId, @scopes, @resources, @createdAt, @expiresAt, @familyId)`,
  );
  const sweep = db.prepare(
    `DELETE FROM oauth_access_tokens WHERE token_hash IN
       (SELECT token_hash FROM oauth_access_tokens WHERE expires_at < ? LIMIT 100)`,
  );
  const check = db
    .prepare<[Buffer], RawCheck>(
      `SELECT ${CHECK_COLUMNS}
     FROM oauth_access_tokens t
     JOIN oauth_grants g ON g.id = t.grant_id
     JOIN oauth_clients c ON c.id = g.client_id
     LEFT JOIN handshakes h ON h.id = g.handshake_id
     LEFT JOIN installations i ON i.id = g.installation_id
     WHERE t.token_hash = ?`,
    )
    .raw();
  const revoke = db.prepare(
    'UPDATE oauth_access_tokens SET revoked_at = ? WHERE token_hash = ? AND revoked_at IS NULL',
  );
  return {
    mint: (token) =>
      writer.write(() => {
        insert.run({
          familyId: null,
          ...token,
          scopes: JSON.stringify(token.scopes),
          resources: writeList(token.resources),
        });
        sweep.run(token.createdAt - KEEP_EXPIRED_MS);
      }),
    async check(tokenHash) {
      const raw = await reader.read(() => check.get(tokenHash));
      return raw && readCheck(raw);
    },
    revoke: (tokenHash, at) => writer.write(() => void revoke.run(at, tokenHash)),
  };
}

function readCheck([
  clientId,
  clientScopes,
  scopes,
  resources,
  expiresAt,
  revokedAt,
  grantId,
  userId,
  kind,
  context,
  grantScopes,
  grantResources,
  until,
  handshakeDeadline,
  installationId,
  addonKey,
  installationContext,
  clientKey,
  state,
]: RawCheck): TokenCheck {
  return {
    clientId,
    clientScopes: readList(clientScopes),
    scopes: JSON.parse(scopes),
    resources: readList(resources),
    expiresAt,
    revokedAt,
    grant: {
      id: grantId,
      userId,
      kind,
      context,
      scopes: JSON.parse(grantScopes),
      resources: readList(grantResources),
      until,
      handshakeDeadline,
    },
    installation:
      installationId === null
        ? null
        : { id: installationId, addonKey, context: installationContext, clientKey, state },
  };
}
