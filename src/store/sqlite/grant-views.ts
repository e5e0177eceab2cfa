// Grants as their givers and operators see them, and ending them.
import type { Database } from 'better-sqlite3';
import type { GrantStore } from '../grant-store.ts';
import { readList } from '../lists.ts';
import { NOTED_EVERY_MS, Noted } from '../noted.ts';
import type { GrantView } from '../oauth-rows.ts';
import { grantStatements } from './grants.ts';
import { oweSecurityEvents } from './security-events.ts';
import type { Writer } from './writer.ts';

interface RawView extends Omit<GrantView, 'scopes' | 'resources' | 'isGrandfathered'> {
  scopes: string;
  resources: string | null;
  isGrandfathered: number;
}

const SELECT = `SELECT g.id, g.client_id AS clientId,
    COALESCE(json_extract(i.descriptor, '$.name'), NULLIF(c.name, ''), i.addon_key, g.client_id) AS consumerName,
    (c.kind = 'consumer' AND c.scopes IS NULL) AS isGrandfathered,
    g.user_id AS userId, g.installation_id AS installationId, g.kind, g.context, g.scopes, g.resources, g.since,
    g.last_used_at AS lastUsedAt, g.last_used_from AS lastUsedFrom
  FROM oauth_grants g
  JOIN oauth_clients c ON c.id = g.client_id
  LEFT JOIN installations i ON i.id = c.installation_id`;
const IN_FORCE = 'g.until IS NULL AND g.handshake_id IS NULL';

export function grantStore(db: Database, writer: Writer): GrantStore {
  const grants = grantStatements(db);
  const find = db.prepare<[string], RawView>(`${SELECT} WHERE g.id = ? AND ${IN_FORCE}`);
  const ofUser = db.prepare<[string, string], RawView>(
    `${SELECT} WHERE g.user_id = ? AND g.client_id = ? AND g.kind = 'user' AND ${IN_FORCE}`,
  );
  const list = db.prepare<{ userId: string | null; after: string | null; limit: number }, RawView>(
    `${SELECT} WHERE ${IN_FORCE} AND (@userId IS NULL OR g.user_id = @userId)
       AND (@after IS NULL OR g.id < @after) ORDER BY g.id DESC LIMIT @limit`,
  );
  const noteUse = db.prepare(
    `UPDATE oauth_grants SET last_used_at = @at, last_used_from = @from
     WHERE id = @id AND (last_used_at IS NULL OR last_used_at <= @at - ${NOTED_EVERY_MS})`,
  );
  const noted = new Noted();
  const endOne = db.prepare(
    'UPDATE oauth_grants SET until = ?, ended_because = ? WHERE id = ? AND until IS NULL',
  );
  const endOfUser = db.prepare(
    `UPDATE oauth_grants SET until = ?, ended_because = 'user_deactivated' WHERE user_id = ? AND until IS NULL`,
  );
  const deactivate = db.prepare(
    'INSERT OR IGNORE INTO deactivated_users (user_id, at) VALUES (?, ?)',
  );
  // A user's no to an add-on that acts as them stands until it is installed from nothing.
  const isTakenBack = db.prepare<[string, string]>(
    `SELECT 1 FROM oauth_grants r
     WHERE r.client_id = ? AND r.user_id = ? AND r.kind = 'act_as_user' AND r.ended_because = 'revoked_by_user'
       AND NOT EXISTS (SELECT 1 FROM oauth_grants u
         WHERE u.installation_id = r.installation_id AND u.ended_because = 'uninstalled' AND u.until >= r.until)`,
  );
  const events = oweSecurityEvents(db);

  function end(id: string, at: number, because: string): boolean {
    events.owe(id, [], at);
    return endOne.run(at, because, id).changes === 1;
  }

  const endSessions = db.prepare('DELETE FROM sessions WHERE user_id = ?');

  return {
    async find(id) {
      return read(find.get(id));
    },
    async list({ userId, after, limit }) {
      return list
        .all({ userId: userId ?? null, after: after ?? null, limit })
        .map((raw) => read(raw)!);
    },
    async findOfUser(userId, clientId) {
      return read(ofUser.get(userId, clientId));
    },
    async findOwn(clientId) {
      return grants.findOwn(clientId);
    },
    end: (id, at, because) => writer.write(() => end(id, at, because)),
    narrow: (id, newId, scopes, at) =>
      writer.write(() => {
        const grant = grants.find(id);
        if (!grant || grant.until !== null) return false;
        if (scopes.length === 0) return end(id, at, 'revoked_by_user');
        events.owe(id, scopes, at);
        grants.insert({
          ...grant,
          id: newId,
          installationId: grant.installationId ?? undefined,
          userId: grant.userId ?? undefined,
          scopes,
          since: at,
        });
        grants.succeed(id, newId, at, 'narrowed');
        return true;
      }),
    noteUse: (id, at, from) =>
      noted.once(id, at, () => writer.write(() => void noteUse.run({ id, at, from }))),
    actAs: (own, userId, id, at) =>
      writer.write(() => {
        // What it was read from may have been replaced since.
        if (grants.find(own.id)?.until !== null) return undefined;
        if (grants.isDeactivated(userId) || isTakenBack.get(own.clientId, userId)) return undefined;
        const existing = grants.findActingAs(own.clientId, userId);
        const isSame =
          existing &&
          JSON.stringify([existing.scopes, existing.resources]) ===
            JSON.stringify([own.scopes, own.resources]);
        if (isSame) return existing;
        grants.insert({
          id,
          clientId: own.clientId,
          kind: 'act_as_user',
          installationId: own.installationId ?? undefined,
          userId,
          context: own.context,
          scopes: own.scopes,
          resources: own.resources,
          since: at,
        });
        if (existing) grants.succeed(existing.id, id, at, 'changed');
        return grants.find(id)!;
      }),
    deactivateUser: (userId, at) =>
      writer.write(() => {
        deactivate.run(userId, at);
        endSessions.run(userId);
        events.oweAllOfUser(userId, at);
        return endOfUser.run(at, userId).changes;
      }),
    async isDeactivated(userId) {
      return grants.isDeactivated(userId);
    },
  };
}

function read(raw: RawView | undefined): GrantView | undefined {
  return (
    raw && {
      ...raw,
      scopes: JSON.parse(raw.scopes),
      resources: readList(raw.resources),
      isGrandfathered: raw.isGrandfathered === 1,
    }
  );
}
