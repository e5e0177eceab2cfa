// OAuth 2 clients.
import type { Database } from 'better-sqlite3';
import { readList } from '../lists.ts';
import type { ClientStore } from '../oauth-store.ts';
import type { ClientRow } from '../rows.ts';

interface RawClient {
  id: string;
  kind: ClientRow['kind'];
  installationId: string | null;
  name: string;
  redirectUris: string;
  scopes: string | null;
  isPublic: number;
  secretHash: Buffer | null;
  previousSecretHash: Buffer | null;
  previousSecretUntil: number | null;
  enabled: number;
  handshakeId: string | null;
  handshakeSecretHash: Buffer | null;
  handshakeDeadline: number | null;
  handshakeGrantId: string | null;
}

export function clientStore(db: Database): ClientStore {
  const find = db.prepare<[string], RawClient>(
    `SELECT c.id, c.kind, c.installation_id AS installationId, c.name, c.redirect_uris AS redirectUris, c.scopes,
       c.is_public AS isPublic, c.secret_hash AS secretHash, c.previous_secret_hash AS previousSecretHash,
       c.previous_secret_until AS previousSecretUntil, c.enabled,
       h.id AS handshakeId, h.oauth_secret_hash AS handshakeSecretHash, h.deadline AS handshakeDeadline,
       h.grant_id AS handshakeGrantId
     FROM oauth_clients c
     LEFT JOIN handshakes h ON h.installation_id = c.installation_id AND h.state = 'running'
     WHERE c.id = ?`,
  );
  return {
    async find(id) {
      const raw = find.get(id);
      return raw && read(raw);
    },
  };
}

function read(raw: RawClient): ClientRow {
  const { id, kind, installationId, name, secretHash } = raw;
  return {
    id,
    kind,
    installationId,
    name,
    redirectUris: JSON.parse(raw.redirectUris),
    scopes: readList(raw.scopes),
    isPublic: raw.isPublic === 1,
    secretHash,
    previous:
      raw.previousSecretHash === null
        ? null
        : { secretHash: raw.previousSecretHash, until: raw.previousSecretUntil! },
    isEnabled: raw.enabled === 1,
    handshake:
      raw.handshakeId === null
        ? null
        : {
            id: raw.handshakeId,
            secretHash: raw.handshakeSecretHash!,
            deadline: raw.handshakeDeadline!,
            grantId: raw.handshakeGrantId!,
          },
  };
}
