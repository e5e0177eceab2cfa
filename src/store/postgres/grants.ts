// Grants: a log of what was allowed, each row in force from since to until.
import sql, { raw, type Sql } from 'sql-template-tag';
import { readList, writeList } from '../lists.ts';
import type { Granted, UserGrant } from '../oauth-rows.ts';
import type { GrantRow } from '../rows.ts';
import { lockUser } from './locks.ts';
import type { Queries } from './queries.ts';
import { supersedeSecurityEvents } from './security-events.ts';

export interface RawGrant extends Omit<GrantRow, 'scopes' | 'resources'> {
  scopes: string;
  resources: string | null;
}

export const GRANT_COLUMNS = raw(`id, client_id AS "clientId", installation_id AS "installationId",
  user_id AS "userId", kind, context, scopes, resources, since, until, ended_because AS "endedBecause"`);

export function readGrant(row: RawGrant): GrantRow {
  return { ...row, scopes: JSON.parse(row.scopes), resources: readList(row.resources) };
}

async function findWhere(db: Queries, condition: Sql): Promise<GrantRow | undefined> {
  const row = await db.get<RawGrant>(
    sql`SELECT ${GRANT_COLUMNS} FROM mortise.oauth_grants WHERE ${condition}`,
  );
  return row && readGrant(row);
}

export function findGrantInForce(db: Queries, installationId: string) {
  return findWhere(
    db,
    sql`installation_id = ${installationId} AND kind = 'installation' AND until IS NULL AND handshake_id IS NULL`,
  );
}

export function findGrant(db: Queries, id: string) {
  return findWhere(db, sql`id = ${id}`);
}

/** Still in force, and so until this transaction ends: whoever ends or replaces it waits. */
export function lockGrant(tx: Queries, id: string) {
  return findWhere(tx, sql`id = ${id} AND until IS NULL FOR UPDATE`);
}

/** Under which a consumer acts for its owner. */
export function findOwnGrant(db: Queries, clientId: string) {
  return findWhere(db, sql`client_id = ${clientId} AND kind = 'consumer' AND until IS NULL`);
}

/** Under which an installation acts as a user. */
export function findGrantActingAs(db: Queries, clientId: string, userId: string) {
  return findWhere(
    db,
    sql`client_id = ${clientId} AND user_id = ${userId} AND kind = 'act_as_user' AND until IS NULL`,
  );
}

export function findGrantOfHandshake(db: Queries, id: string) {
  return findWhere(db, sql`id = ${id} AND until IS NULL AND handshake_id IS NOT NULL`);
}

export interface NewGrant {
  id: string;
  clientId: string;
  kind: GrantRow['kind'];
  installationId?: string | null;
  userId?: string | null;
  context: string | null;
  scopes: string[];
  resources: string[] | null;
  handshakeId?: string;
  since: number;
}

/** After the one it replaces has ended: of each kind one is in force. */
export async function insertGrant(tx: Queries, grant: NewGrant): Promise<void> {
  await tx.run(sql`INSERT INTO mortise.oauth_grants
      (id, client_id, installation_id, user_id, kind, context, scopes, resources, handshake_id, since)
    VALUES (${grant.id}, ${grant.clientId}, ${grant.installationId ?? null}, ${grant.userId ?? null}, ${grant.kind},
      ${grant.context}, ${JSON.stringify(grant.scopes)}, ${writeList(grant.resources)},
      ${grant.handshakeId ?? null}, ${grant.since})`);
}

/** @returns whether it was in force */
export async function endGrant(
  tx: Queries,
  id: string,
  at: number,
  because: string,
): Promise<boolean> {
  const ended =
    await tx.run(sql`UPDATE mortise.oauth_grants SET until = ${at}, ended_because = ${because}
    WHERE id = ${id} AND until IS NULL`);
  return ended === 1;
}

/** What an installation does as users ends with the grant it was made from. */
export async function endGrantsActingAs(
  tx: Queries,
  installationId: string,
  at: number,
): Promise<void> {
  await tx.run(sql`UPDATE mortise.oauth_grants SET until = ${at}, ended_because = 'changed'
    WHERE installation_id = ${installationId} AND kind = 'act_as_user' AND until IS NULL`);
}

/**
 * The tokens of a grant that is replaced live on under the new one, within what it covers.
 * @returns whether the old one was in force
 */
export async function succeedGrant(
  tx: Queries,
  oldId: string,
  newId: string,
  at: number,
  because: string,
): Promise<boolean> {
  const wasInForce = await endGrant(tx, oldId, at, because);
  // In this order. Who redeems a code or rotates a family has locked its row: the first statement waits for them, and
  // the later ones see what they have minted.
  for (const move of [
    sql`UPDATE mortise.oauth_codes SET grant_id = ${newId} WHERE grant_id = ${oldId} AND used_at IS NULL`,
    sql`UPDATE mortise.oauth1_request_tokens SET grant_id = ${newId} WHERE grant_id = ${oldId} AND used_at IS NULL`,
    sql`UPDATE mortise.oauth_refresh_families SET grant_id = ${newId} WHERE grant_id = ${oldId}`,
    sql`UPDATE mortise.oauth_access_tokens SET grant_id = ${newId} WHERE grant_id = ${oldId}`,
    sql`UPDATE mortise.oauth1_access_tokens SET grant_id = ${newId} WHERE grant_id = ${oldId}`,
  ])
    await tx.run(move);
  return wasInForce;
}

export async function isDeactivated(db: Queries, userId: string): Promise<boolean> {
  const row = await db.get(sql`SELECT 1 FROM mortise.deactivated_users WHERE user_id = ${userId}`);
  return row !== undefined;
}

/** A consumer that is being deleted or changed ends what it has: it waits for this transaction, or this one for it. */
export async function lockClient(tx: Queries, id: string): Promise<void> {
  await tx.run(sql`SELECT 1 FROM mortise.oauth_clients WHERE id = ${id} FOR SHARE`);
}

/** In place of the grant it was planned from, if that is still the one in force. */
export async function grantByUser(
  tx: Queries,
  { basedOn, ...grant }: UserGrant,
  at: number,
): Promise<Granted> {
  await lockUser(tx, grant.userId);
  if (await isDeactivated(tx, grant.userId)) return 'user-deactivated';
  await lockClient(tx, grant.clientId);
  const previous = await tx.get<{ id: string }>(sql`SELECT id FROM mortise.oauth_grants
    WHERE user_id = ${grant.userId} AND client_id = ${grant.clientId} AND kind = 'user' AND until IS NULL
    FOR UPDATE`);
  if ((previous?.id ?? null) !== basedOn) return 'changed';
  if (basedOn !== null) await succeedGrant(tx, basedOn, grant.id, at, 'replaced');
  await insertGrant(tx, { ...grant, kind: 'user', context: null, since: at });
  await supersedeSecurityEvents(tx, grant.clientId, grant.userId);
  return 'granted';
}
