// Grants as their givers and operators see them, and ending them.
import sql, { raw, type Sql } from 'sql-template-tag';
import type { GrantStore } from '../grant-store.ts';
import { readList } from '../lists.ts';
import { NOTED_EVERY_MS, Noted } from '../noted.ts';
import type { GrantView } from '../oauth-rows.ts';
import type { Database } from './database.ts';
import {
  endGrant,
  findGrant,
  findGrantActingAs,
  findOwnGrant,
  insertGrant,
  isDeactivated,
  lockGrant,
  succeedGrant,
} from './grants.ts';
import { lockUser } from './locks.ts';
import type { Queries } from './queries.ts';
import { oweAllOfUser, oweSecurityEvent } from './security-events.ts';

interface RawView extends Omit<GrantView, 'scopes' | 'resources'> {
  scopes: string;
  resources: string | null;
}

const SELECT = raw(`SELECT g.id, g.client_id AS "clientId",
    COALESCE(i.addon_name, NULLIF(c.name, ''), i.addon_key, g.client_id) AS "consumerName",
    (c.kind = 'consumer' AND c.scopes IS NULL) AS "isGrandfathered",
    g.user_id AS "userId", g.installation_id AS "installationId", g.kind, g.context, g.scopes, g.resources, g.since,
    g.last_used_at AS "lastUsedAt", g.last_used_from AS "lastUsedFrom"
  FROM mortise.oauth_grants g
  JOIN mortise.oauth_clients c ON c.id = g.client_id
  LEFT JOIN mortise.installations i ON i.id = c.installation_id
  WHERE g.until IS NULL AND g.handshake_id IS NULL`);

export function grantStore(db: Database): GrantStore {
  const noted = new Noted();
  const findWhere = async (condition: Sql) =>
    read(await db.get<RawView>(sql`${SELECT} AND ${condition}`));
  return {
    find: (id) => findWhere(sql`g.id = ${id}`),
    async list({ userId, after, limit }) {
      const rows =
        await db.all<RawView>(sql`${SELECT} AND (${userId}::text IS NULL OR g.user_id = ${userId})
        AND (${after}::text IS NULL OR g.id < ${after}) ORDER BY g.id DESC LIMIT ${limit}`);
      return rows.map((row) => read(row)!);
    },
    findOfUser: (userId, clientId) =>
      findWhere(sql`g.user_id = ${userId} AND g.client_id = ${clientId} AND g.kind = 'user'`),
    findOwn: (clientId) => findOwnGrant(db, clientId),
    end: (id, at, because) => db.transaction((tx) => end(tx, id, at, because)),
    narrow: (id, newId, scopes, at) =>
      db.transaction(async (tx) => {
        if (scopes.length === 0) return end(tx, id, at, 'revoked_by_user');
        const grant = await lockGrant(tx, id);
        if (!grant) return false;
        await oweSecurityEvent(tx, id, scopes, at);
        await succeedGrant(tx, id, newId, at, 'narrowed');
        await insertGrant(tx, { ...grant, id: newId, scopes, since: at });
        return true;
      }),
    noteUse: (id, at, from) =>
      noted.once(id, at, async () => {
        await db.run(sql`UPDATE mortise.oauth_grants SET last_used_at = ${at}, last_used_from = ${from}
          WHERE id = ${id} AND (last_used_at IS NULL OR last_used_at <= ${at - NOTED_EVERY_MS})`);
      }),
    actAs: (own, userId, id, at) =>
      db.transaction(async (tx) => {
        // Who ends or replaces the installation's own grant ends those made from it, and must find this one.
        await tx.run(
          sql`SELECT 1 FROM mortise.installations WHERE id = ${own.installationId} FOR SHARE`,
        );
        await lockUser(tx, userId);
        // What it was read from may have been replaced since.
        if ((await findGrant(tx, own.id))?.until !== null) return undefined;
        if ((await isDeactivated(tx, userId)) || (await isTakenBack(tx, own.clientId, userId)))
          return undefined;
        const existing = await findGrantActingAs(tx, own.clientId, userId);
        const isSame =
          existing &&
          JSON.stringify([existing.scopes, existing.resources]) ===
            JSON.stringify([own.scopes, own.resources]);
        if (isSame) return existing;
        if (existing) await succeedGrant(tx, existing.id, id, at, 'changed');
        const { clientId, installationId, context, scopes, resources } = own;
        const kind = 'act_as_user';
        await insertGrant(tx, {
          ...{ id, clientId, kind, installationId, userId, context, scopes, resources, since: at },
        });
        return (await findGrant(tx, id))!;
      }),
    deactivateUser: (userId, at) =>
      db.transaction(async (tx) => {
        await lockUser(tx, userId);
        await tx.run(sql`INSERT INTO mortise.deactivated_users (user_id, at) VALUES (${userId}, ${at})
          ON CONFLICT DO NOTHING`);
        await tx.run(sql`DELETE FROM mortise.sessions WHERE user_id = ${userId}`);
        // By id, as everybody would who locks several.
        await tx.run(sql`SELECT 1 FROM mortise.oauth_grants WHERE user_id = ${userId} AND until IS NULL
          ORDER BY id FOR UPDATE`);
        await oweAllOfUser(tx, userId, at);
        return tx.run(sql`UPDATE mortise.oauth_grants SET until = ${at}, ended_because = 'user_deactivated'
          WHERE user_id = ${userId} AND until IS NULL`);
      }),
    isDeactivated: (userId) => isDeactivated(db, userId),
  };
}

/** Of two who end it, one finds it in force: its client is owed word of it once. */
async function end(tx: Queries, id: string, at: number, because: string): Promise<boolean> {
  if (!(await lockGrant(tx, id))) return false;
  await oweSecurityEvent(tx, id, [], at);
  return endGrant(tx, id, at, because);
}

/** A user's no to an add-on that acts as them stands until it is installed from nothing. */
async function isTakenBack(tx: Queries, clientId: string, userId: string): Promise<boolean> {
  const row = await tx.get(sql`SELECT 1 FROM mortise.oauth_grants r
    WHERE r.client_id = ${clientId} AND r.user_id = ${userId} AND r.kind = 'act_as_user'
      AND r.ended_because = 'revoked_by_user'
      AND NOT EXISTS (SELECT 1 FROM mortise.oauth_grants u
        WHERE u.installation_id = r.installation_id AND u.ended_because = 'uninstalled' AND u.until >= r.until)`);
  return row !== undefined;
}

function read(row: RawView | undefined): GrantView | undefined {
  return row && { ...row, scopes: JSON.parse(row.scopes), resources: readList(row.resources) };
}
