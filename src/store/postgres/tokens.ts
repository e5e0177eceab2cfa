// Access tokens: hashes only. A check is one statement over the grant, so that ending a grant ends its tokens: whatever
// replica has ended it, and without anything being remembered here.
import sql from 'sql-template-tag';
import { readList, writeList } from '../lists.ts';
import type { TokenStore } from '../oauth-store.ts';
import type { AccessTokenRow, CallingInstallation, TokenCheck } from '../rows.ts';
import { KEEP_EXPIRED_MS } from '../sweep-rules.ts';
import type { Database } from './database.ts';
import { deleteExpired } from './expired.ts';
import type { Queries } from './queries.ts';

interface RawCheck {
  clientId: string;
  clientScopes: string | null;
  scopes: string;
  resources: string | null;
  expiresAt: number;
  revokedAt: number | null;
  grantId: string;
  userId: string | null;
  kind: TokenCheck['grant']['kind'];
  context: string | null;
  grantScopes: string;
  grantResources: string | null;
  until: number | null;
  handshakeDeadline: number | null;
  installationId: string | null;
  addonKey: string;
  installationContext: string;
  clientKey: string;
  state: CallingInstallation['state'];
}

export function tokenStore(db: Database): TokenStore {
  return {
    mint: (token) =>
      db.transaction(async (tx) => {
        await insertAccessToken(tx, token);
        const before = token.createdAt - KEEP_EXPIRED_MS;
        await deleteExpired(tx, 'oauth_access_tokens', 'token_hash', before);
      }),
    async check(tokenHash) {
      // The scopes of a consumer registered by hand; an installation's client has none of its own.
      const row = await db.get<RawCheck>(sql`SELECT g.client_id AS "clientId",
          CASE WHEN c.kind = 'installation' THEN NULL ELSE c.scopes END AS "clientScopes",
          t.scopes, t.resources, t.expires_at AS "expiresAt", t.revoked_at AS "revokedAt",
          g.id AS "grantId", g.user_id AS "userId", g.kind, g.context, g.scopes AS "grantScopes",
          g.resources AS "grantResources", g.until, h.deadline AS "handshakeDeadline",
          i.id AS "installationId", i.addon_key AS "addonKey", i.context AS "installationContext",
          i.client_key AS "clientKey", i.state
        FROM mortise.oauth_access_tokens t
        JOIN mortise.oauth_grants g ON g.id = t.grant_id
        JOIN mortise.oauth_clients c ON c.id = g.client_id
        LEFT JOIN mortise.handshakes h ON h.id = g.handshake_id
        LEFT JOIN mortise.installations i ON i.id = g.installation_id
        WHERE t.token_hash = ${tokenHash}`);
      return row && read(row);
    },
    async revoke(tokenHash, at) {
      await db.run(sql`UPDATE mortise.oauth_access_tokens SET revoked_at = ${at}
        WHERE token_hash = ${tokenHash} AND revoked_at IS NULL`);
    },
  };
}

export async function insertAccessToken(tx: Queries, token: AccessTokenRow): Promise<void> {
  await tx.run(sql`INSERT INTO mortise.oauth_access_tokens
      (token_hash, grant_id, client_id, scopes, resources, created_at, expires_at, family_id)
    VALUES (${token.tokenHash}, ${token.grantId}, ${token.clientId}, ${JSON.stringify(token.scopes)},
      ${writeList(token.resources)}, ${token.createdAt}, ${token.expiresAt}, ${token.familyId ?? null})`);
}

function read(row: RawCheck): TokenCheck {
  const { clientId, expiresAt, revokedAt, userId, kind, context, until, handshakeDeadline } = row;
  const { installationId, addonKey, installationContext, clientKey, state } = row;
  return {
    clientId,
    clientScopes: readList(row.clientScopes),
    scopes: JSON.parse(row.scopes),
    resources: readList(row.resources),
    expiresAt,
    revokedAt,
    grant: {
      id: row.grantId,
      userId,
      kind,
      context,
      scopes: JSON.parse(row.grantScopes),
      resources: readList(row.grantResources),
      until,
      handshakeDeadline,
    },
    installation:
      installationId === null
        ? null
        : { id: installationId, addonKey, context: installationContext, clientKey, state },
  };
}
