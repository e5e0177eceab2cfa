// Grants: a log of what was allowed, each row in force from since to until.
import type { Database } from 'better-sqlite3';
import type { GrantRow } from '../rows.ts';

interface RawGrant extends Omit<GrantRow, 'scopes' | 'resources'> {
  scopes: string;
  resources: string | null;
}

export const GRANT_COLUMNS = `id, client_id AS clientId, installation_id AS installationId,
  user_id AS userId, kind, scopes, resources, since, until, ended_because AS endedBecause`;

export function readGrant(raw: RawGrant): GrantRow {
  return { ...raw, scopes: JSON.parse(raw.scopes), resources: readList(raw.resources) };
}

export function readList(json: string | null): string[] | null {
  return json === null ? null : JSON.parse(json);
}

export function writeList(list: string[] | null): string | null {
  return list === null ? null : JSON.stringify(list);
}

/** The statements that several operations on grants share. */
export function grantStatements(db: Database) {
  const inForce = db.prepare<[string], RawGrant>(
    `SELECT ${GRANT_COLUMNS} FROM oauth_grants
     WHERE installation_id = ? AND kind = 'installation' AND until IS NULL AND handshake_id IS NULL`,
  );
  const ofHandshake = db.prepare<[string], RawGrant>(
    `SELECT ${GRANT_COLUMNS} FROM oauth_grants WHERE id = ? AND until IS NULL AND handshake_id IS NOT NULL`,
  );
  const insert = db.prepare(
    `INSERT INTO oauth_grants (id, client_id, installation_id, kind, scopes, resources, handshake_id, since)
     VALUES (@id, @clientId, @installationId, 'installation', @scopes, @resources, @handshakeId, @since)`,
  );
  const end = db.prepare(
    'UPDATE oauth_grants SET until = ?, ended_because = ? WHERE id = ? AND until IS NULL',
  );
  const moveTokens = db.prepare('UPDATE oauth_access_tokens SET grant_id = ? WHERE grant_id = ?');
  return {
    findInForce(installationId: string): GrantRow | undefined {
      const raw = inForce.get(installationId);
      return raw && readGrant(raw);
    },
    findOfHandshake(id: string): GrantRow | undefined {
      const raw = ofHandshake.get(id);
      return raw && readGrant(raw);
    },
    insert(grant: {
      id: string;
      clientId: string;
      installationId: string;
      scopes: string[];
      resources: string[] | null;
      handshakeId: string | null;
      since: number;
    }): void {
      insert.run({
        ...grant,
        scopes: JSON.stringify(grant.scopes),
        resources: writeList(grant.resources),
      });
    },
    end(id: string, at: number, because: string): void {
      end.run(at, because, id);
    },
    /** The tokens of a grant that is replaced live on under the new one, within what it covers. */
    succeed(oldId: string, newId: string, at: number, because: string): void {
      end.run(at, because, oldId);
      moveTokens.run(newId, oldId);
    },
  };
}
