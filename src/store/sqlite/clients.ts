// OAuth 2 clients.
import type { Database } from 'better-sqlite3';
import type { ClientStore } from '../store.ts';

interface RawClient {
  id: string;
  kind: 'installation';
  installationId: string;
  secretHash: Buffer | null;
  enabled: number;
  handshakeId: string | null;
  handshakeSecretHash: Buffer | null;
  handshakeDeadline: number | null;
  handshakeGrantId: string | null;
}

export function clientStore(db: Database): ClientStore {
  const find = db.prepare<[string], RawClient>(
    `SELECT c.id, c.kind, c.installation_id AS installationId, c.secret_hash AS secretHash, c.enabled,
       h.id AS handshakeId, h.oauth_secret_hash AS handshakeSecretHash, h.deadline AS handshakeDeadline,
       h.grant_id AS handshakeGrantId
     FROM oauth_clients c
     LEFT JOIN handshakes h ON h.installation_id = c.installation_id AND h.state = 'running'
     WHERE c.id = ?`,
  );
  return {
    async find(id) {
      const raw = find.get(id);
      if (!raw) return undefined;
      return {
        id: raw.id,
        kind: raw.kind,
        installationId: raw.installationId,
        secretHash: raw.secretHash,
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
    },
  };
}
