// Access tokens: hashes only. A check is one join over the grant, so that ending a grant ends its tokens.
import type { Database } from 'better-sqlite3';
import type { InstallationRow, TokenCheck } from '../rows.ts';
import type { TokenStore } from '../store.ts';
import { readList, writeList } from './grants.ts';
import { installationColumns } from './installation-row.ts';
import type { Writer } from './writer.ts';

interface RawCheck extends InstallationRow {
  tokenScopes: string;
  tokenResources: string | null;
  tokenExpiresAt: number;
  tokenRevokedAt: number | null;
  grantId: string;
  grantClientId: string;
  grantUserId: string | null;
  grantKind: TokenCheck['grant']['kind'];
  grantContext: string | null;
  clientScopes: string | null;
  clientKind: string;
  grantScopes: string;
  grantResources: string | null;
  grantSince: number;
  grantUntil: number | null;
  grantEndedBecause: string | null;
  handshakeDeadline: number | null;
}

export function tokenStore(db: Database, writer: Writer): TokenStore {
  const insert = db.prepare(
    `INSERT INTO oauth_access_tokens (token_hash, grant_id, client_id, scopes, resources, created_at, expires_at, family_id)
     VALUES (@tokenHash, @grantId, @clientId, @scopes, @resources, @createdAt, @expiresAt, @familyId)`,
  );
  const sweep = db.prepare(
    `DELETE FROM oauth_access_tokens WHERE token_hash IN
       (SELECT token_hash FROM oauth_access_tokens WHERE expires_at < ? LIMIT 100)`,
  );
  const check = db.prepare<[Buffer], RawCheck>(
    `SELECT t.scopes AS tokenScopes, t.resources AS tokenResources, t.expires_at AS tokenExpiresAt,
       t.revoked_at AS tokenRevokedAt,
       g.id AS grantId, g.client_id AS grantClientId, g.user_id AS grantUserId, g.kind AS grantKind,
       g.context AS grantContext, c.scopes AS clientScopes, c.kind AS clientKind,
       g.scopes AS grantScopes, g.resources AS grantResources, g.since AS grantSince, g.until AS grantUntil,
       g.ended_because AS grantEndedBecause, h.deadline AS handshakeDeadline,
       ${installationColumns('i')}
     FROM oauth_access_tokens t
     JOIN oauth_grants g ON g.id = t.grant_id
     JOIN oauth_clients c ON c.id = g.client_id
     LEFT JOIN handshakes h ON h.id = g.handshake_id
     LEFT JOIN installations i ON i.id = g.installation_id
     WHERE t.token_hash = ?`,
  );
  const revoke = db.prepare(
    'UPDATE oauth_access_tokens SET revoked_at = ? WHERE token_hash = ? AND revoked_at IS NULL',
  );
  /** Expired tokens stay a day, so that "expired" can be told from "unknown". */
  const KEEP_EXPIRED_MS = 24 * 3_600_000;
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
      const raw = check.get(tokenHash);
      return raw && readCheck(raw);
    },
    revoke: (tokenHash, at) => writer.write(() => void revoke.run(at, tokenHash)),
  };
}

function readCheck(raw: RawCheck): TokenCheck {
  return {
    clientId: raw.grantClientId,
    clientScopes: raw.clientKind === 'installation' ? null : readList(raw.clientScopes),
    scopes: JSON.parse(raw.tokenScopes),
    resources: readList(raw.tokenResources),
    expiresAt: raw.tokenExpiresAt,
    revokedAt: raw.tokenRevokedAt,
    grant: {
      id: raw.grantId,
      clientId: raw.grantClientId,
      installationId: raw.id,
      userId: raw.grantUserId,
      kind: raw.grantKind,
      context: raw.grantContext,
      scopes: JSON.parse(raw.grantScopes),
      resources: readList(raw.grantResources),
      since: raw.grantSince,
      until: raw.grantUntil,
      endedBecause: raw.grantEndedBecause,
      handshakeDeadline: raw.handshakeDeadline,
    },
    installation: raw.id === null ? null : raw,
  };
}
