// Grants: a log of what was allowed, each row in force from since to until.

import type { Database } from 'better-sqlite3';
import { readList, writeList } from '../lists.ts';
import type { Granted, UserGrant } from '../oauth-rows.ts';
import type { GrantRow } from '../rows.ts';
import { oweSecurityEvents } from './security-events.ts';

export interface RawGrant extends Omit<GrantRow, 'scopes' | 'resources'> {
  scopes: string;
  resources: string | null;
}

export const GRANT_COLUMNS = `id, client_id AS clientId, installation_id AS installationId,
  user_id AS userId, kind, context, scopes, resources, since, until, ended_because AS endedBecause`;

export function readGrant(raw: RawGrant): GrantRow {
  return { ...raw, scopes: JSON.parse(raw.scopes), resources: readList(raw.resources) };
}

/** The statements that several operations on grants share. */
export function grantStatements(db: Database) {
  const inForce = db.prepare<[string], RawGrant>(
    `SELECT ${GRANT_COLUMNS} FROM oauth_grants
     WHERE installation_id = ? AND kind = 'installation' AND until IS NULL AND handshake_id IS NULL`,
  );
  const byId = db.prepare<[string], RawGrant>(
    `SELECT ${GRANT_COLUMNS} FROM oauth_grants WHERE id = ?`,
  );
  const own = db.prepare<[string], RawGrant>(
    `SELECT ${GRANT_COLUMNS} FROM oauth_grants WHERE client_id = ? AND kind = 'consumer' AND until IS NULL`,
  );
  const ofUser = db.prepare<[string, string], { id: string }>(
    `SELECT id FROM oauth_grants
     WHERE user_id = ? AND client_id = ? AND kind = 'user' AND until IS NULL`,
  );
  const actingAs = db.prepare<[string, string], RawGrant>(
    `SELECT ${GRANT_COLUMNS} FROM oauth_grants
     WHERE client_id = ? AND user_id = ? AND kind = 'act_as_user' AND until IS NULL`,
  );
  const ofHandshake = db.prepare<[string], RawGrant>(
    `SELECT ${GRANT_COLUMNS} FROM oauth_grants WHERE id = ? AND until IS NULL AND handshake_id IS NOT NULL`,
  );
  const insert = db.prepare(
    `INSERT INTO oauth_grants (id, client_id, installation_id, user_id, kind, context, scopes, resources, handshake_id, since)
     VALUES (@id, @clientId, @installationId, @userId, @kind, @context, @scopes, @resources, @handshakeId, @since)`,
  );
  const endActingAs = db.prepare(
    `UPDATE oauth_grants SET until = ?, ended_because = 'changed'
     WHERE installation_id = ? AND kind = 'act_as_user' AND until IS NULL`,
  );
  const end = db.prepare(
    'UPDATE oauth_grants SET until = ?, ended_because = ? WHERE id = ? AND until IS NULL',
  );
  const moveTokens = db.prepare('UPDATE oauth_access_tokens SET grant_id = ? WHERE grant_id = ?');
  const moveFamilies = db.prepare(
    'UPDATE oauth_refresh_families SET grant_id = ? WHERE grant_id = ?',
  );
  const moveCodes = db.prepare(
    'UPDATE oauth_codes SET grant_id = ? WHERE grant_id = ? AND used_at IS NULL',
  );
  const moveOauth1Tokens = db.prepare(
    'UPDATE oauth1_access_tokens SET grant_id = ? WHERE grant_id = ?',
  );
  const moveOauth1Requests = db.prepare(
    'UPDATE oauth1_request_tokens SET grant_id = ? WHERE grant_id = ? AND used_at IS NULL',
  );
  const events = oweSecurityEvents(db);
  const deactivated = db.prepare<[string]>('SELECT 1 FROM deactivated_users WHERE user_id = ?');

  function insertGrant(grant: {
    id: string;
    clientId: string;
    kind: GrantRow['kind'];
    installationId?: string;
    userId?: string;
    context: string | null;
    scopes: string[];
    resources: string[] | null;
    handshakeId?: string;
    since: number;
  }): void {
    insert.run({
      installationId: null,
      userId: null,
      handshakeId: null,
      ...grant,
      scopes: JSON.stringify(grant.scopes),
      resources: writeList(grant.resources),
    });
  }

  function succeed(oldId: string, newId: string, at: number, because: string): void {
    end.run(at, because, oldId);
    for (const move of [moveTokens, moveFamilies, moveCodes, moveOauth1Tokens, moveOauth1Requests])
      move.run(newId, oldId);
  }

  return {
    isDeactivated: (userId: string): boolean => deactivated.get(userId) !== undefined,
    /** In place of the grant it was planned from, if that is still the one in force. */
    grantByUser({ basedOn, ...grant }: UserGrant, at: number): Granted {
      if (deactivated.get(grant.userId)) return 'user-deactivated';
      const previous = ofUser.get(grant.userId, grant.clientId)?.id ?? null;
      if (previous !== basedOn) return 'changed';
      insertGrant({ ...grant, kind: 'user', context: null, since: at });
      if (previous !== null) succeed(previous, grant.id, at, 'replaced');
      events.supersede(grant.clientId, grant.userId);
      return 'granted';
    },
    findInForce(installationId: string): GrantRow | undefined {
      const raw = inForce.get(installationId);
      return raw && readGrant(raw);
    },
    find(id: string): GrantRow | undefined {
      const raw = byId.get(id);
      return raw && readGrant(raw);
    },
    /** Under which a consumer acts for its owner. */
    findOwn(clientId: string): GrantRow | undefined {
      const raw = own.get(clientId);
      return raw && readGrant(raw);
    },
    /** Under which an installation acts as a user. */
    findActingAs(clientId: string, userId: string): GrantRow | undefined {
      const raw = actingAs.get(clientId, userId);
      return raw && readGrant(raw);
    },
    findOfHandshake(id: string): GrantRow | undefined {
      const raw = ofHandshake.get(id);
      return raw && readGrant(raw);
    },
    insert: insertGrant,
    /** What an installation does as users ends with the grant it was made from. */
    endActingAs(installationId: string, at: number): void {
      endActingAs.run(at, installationId);
    },
    end(id: string, at: number, because: string): void {
      end.run(at, because, id);
    },
    /** The tokens of a grant that is replaced live on under the new one, within what it covers. */
    succeed,
  };
}
