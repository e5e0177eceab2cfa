// OAuth 2 clients.
import sql from 'sql-template-tag';
import { readList } from '../lists.ts';
import type { ClientStore } from '../oauth-store.ts';
import type { ClientRow } from '../rows.ts';
import type { Database } from './database.ts';

interface RawClient {
  id: string;
  kind: ClientRow['kind'];
  installationId: string | null;
  name: string;
  redirectUris: string;
  scopes: string | null;
  isPublic: boolean;
  secretHash: Buffer | null;
  previousSecretHash: Buffer | null;
  previousSecretUntil: number | null;
  isEnabled: boolean;
  handshakeId: string | null;
  handshakeSecretHash: Buffer | null;
  handshakeDeadline: number | null;
  handshakeGrantId: string | null;
}

export function clientStore(db: Database): ClientStore {
  return {
    async find(id) {
      const row =
        await db.get<RawClient>(sql`SELECT c.id, c.kind, c.installation_id AS "installationId", c.name,
          c.redirect_uris AS "redirectUris", c.scopes, c.is_public AS "isPublic", c.secret_hash AS "secretHash",
          c.previous_secret_hash AS "previousSecretHash", c.previous_secret_until AS "previousSecretUntil",
          c.enabled AS "isEnabled", h.id AS "handshakeId", h.oauth_secret_hash AS "handshakeSecretHash",
          h.deadline AS "handshakeDeadline", h.grant_id AS "handshakeGrantId"
        FROM mortise.oauth_clients c
        LEFT JOIN mortise.handshakes h ON h.installation_id = c.installation_id AND h.state = 'running'
        WHERE c.id = ${id}`);
      return row && read(row);
    },
  };
}

function read(row: RawClient): ClientRow {
  const { id, kind, installationId, name, isPublic, secretHash, isEnabled } = row;
  return {
    id,
    kind,
    installationId,
    name,
    redirectUris: JSON.parse(row.redirectUris),
    scopes: readList(row.scopes),
    isPublic,
    secretHash,
    previous:
      row.previousSecretHash === null
        ? null
        : { secretHash: row.previousSecretHash, until: row.previousSecretUntil! },
    isEnabled,
    handshake:
      row.handshakeId === null
        ? null
        : {
            id: row.handshakeId,
            secretHash: row.handshakeSecretHash!,
            deadline: row.handshakeDeadline!,
            grantId: row.handshakeGrantId!,
          },
  };
}
