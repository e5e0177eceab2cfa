// Consumers registered by hand, each with the grant under which it acts for its owner.
import sql, { raw } from 'sql-template-tag';
import { readList, writeList } from '../lists.ts';
import type { Consumer } from '../oauth-rows.ts';
import type { ConsumerStore } from '../oauth-store.ts';
import type { Database } from './database.ts';
import { findOwnGrant, insertGrant, succeedGrant } from './grants.ts';
import type { Queries } from './queries.ts';

type RawConsumer = Omit<Consumer, 'redirectUris' | 'scopes'> & {
  redirectUris: string;
  scopes: string | null;
};

const COLUMNS = raw(`id, name, redirect_uris AS "redirectUris", events_uri AS "eventsUri", scopes,
  is_public AS "isPublic", owner_context AS "ownerContext", owner_user AS "ownerUser",
  oauth1_secret IS NOT NULL AS "isOauth1", created_at AS "createdAt", updated_at AS "updatedAt"`);
const IS_CONSUMER = raw(`kind = 'consumer' AND deleted_at IS NULL`);

export function consumerStore(db: Database): ConsumerStore {
  return {
    create: (consumer) =>
      db.transaction(async (tx) => {
        const row =
          await tx.get<RawConsumer>(sql`INSERT INTO mortise.oauth_clients (id, kind, name, redirect_uris,
            events_uri, scopes, is_public, owner_context, owner_user, secret_hash, oauth1_secret, enabled, created_at)
          VALUES (${consumer.id}, 'consumer', ${consumer.name}, ${JSON.stringify(consumer.redirectUris)},
            ${consumer.eventsUri}, ${writeList(consumer.scopes)}, ${consumer.isPublic}, ${consumer.ownerContext},
            ${consumer.ownerUser}, ${consumer.secretHash}, ${consumer.oauth1Secret}, true, ${consumer.createdAt})
          RETURNING ${COLUMNS}`);
        if (consumer.ownGrantId !== undefined) {
          await insertGrant(tx, {
            id: consumer.ownGrantId,
            clientId: consumer.id,
            kind: 'consumer',
            context: consumer.ownerContext,
            scopes: consumer.scopes ?? [],
            resources: null,
            since: consumer.createdAt,
          });
        }
        return read(row!);
      }),
    async find(id) {
      const row = await db.get<RawConsumer>(
        sql`SELECT ${COLUMNS} FROM mortise.oauth_clients WHERE id = ${id} AND ${IS_CONSUMER}`,
      );
      return row && read(row);
    },
    async list({ ownerUser, after, limit }) {
      const rows = await db.all<RawConsumer>(sql`SELECT ${COLUMNS} FROM mortise.oauth_clients
        WHERE ${IS_CONSUMER} AND (${ownerUser}::text IS NULL OR owner_user = ${ownerUser})
          AND (${after}::text IS NULL OR (created_at, id) <
            (SELECT created_at, id FROM mortise.oauth_clients WHERE id = ${after}))
        ORDER BY created_at DESC, id DESC LIMIT ${limit}`);
      return rows.map(read);
    },
    change: (id, wanted, at) =>
      db.transaction(async (tx) => {
        const before = await lock(tx, id);
        if (!before) return undefined;
        const scopes = wanted.scopes ?? before.scopes;
        const eventsUri = wanted.eventsUri === undefined ? before.eventsUri : wanted.eventsUri;
        if (wanted.closesOauth1) await closeOauth1(tx, id, at);
        const row =
          await tx.get<RawConsumer>(sql`UPDATE mortise.oauth_clients SET name = ${wanted.name ?? before.name},
            redirect_uris = ${JSON.stringify(wanted.redirectUris ?? before.redirectUris)}, events_uri = ${eventsUri},
            scopes = ${writeList(scopes)}, updated_at = ${at}
          WHERE id = ${id} RETURNING ${COLUMNS}`);
        const own = wanted.scopes === undefined ? undefined : await findOwnGrant(tx, id);
        if (own) {
          await succeedGrant(tx, own.id, wanted.ownGrantId, at, 'changed');
          await insertGrant(tx, { ...own, id: wanted.ownGrantId, scopes: scopes ?? [], since: at });
        }
        return read(row!);
      }),
    async rotateSecret(id, secret, at, previousUntil) {
      const rotated =
        await db.run(sql`UPDATE mortise.oauth_clients SET previous_secret_hash = secret_hash,
          previous_secret_until = ${previousUntil}, secret_hash = ${secret.hash},
          previous_oauth1_secret = oauth1_secret,
          oauth1_secret = CASE WHEN oauth1_secret IS NULL THEN NULL ELSE ${secret.oauth1} END, updated_at = ${at}
        WHERE id = ${id} AND NOT is_public AND ${IS_CONSUMER}`);
      return rotated === 1;
    },
    remove: (id, at) =>
      db.transaction(async (tx) => {
        const removed =
          await tx.run(sql`UPDATE mortise.oauth_clients SET deleted_at = ${at}, enabled = false,
            events_uri = NULL, secret_hash = NULL, previous_secret_hash = NULL, oauth1_secret = NULL,
            previous_oauth1_secret = NULL
          WHERE id = ${id} AND ${IS_CONSUMER}`);
        if (removed === 0) return false;
        await tx.run(sql`UPDATE mortise.oauth_grants SET until = ${at}, ended_because = 'consumer_deleted'
          WHERE client_id = ${id} AND until IS NULL`);
        return true;
      }),
  };
}

/** What it becomes depends on what it is: two changes come one after the other. */
async function lock(tx: Queries, id: string): Promise<Consumer | undefined> {
  const row = await tx.get<RawConsumer>(
    sql`SELECT ${COLUMNS} FROM mortise.oauth_clients WHERE id = ${id} AND ${IS_CONSUMER} FOR UPDATE`,
  );
  return row && read(row);
}

async function closeOauth1(tx: Queries, id: string, at: number): Promise<void> {
  await tx.run(sql`UPDATE mortise.oauth_clients SET oauth1_secret = NULL, previous_oauth1_secret = NULL
    WHERE id = ${id}`);
  await tx.run(sql`UPDATE mortise.oauth1_request_tokens SET used_at = ${at}
    WHERE client_id = ${id} AND used_at IS NULL`);
  await tx.run(sql`UPDATE mortise.oauth1_access_tokens SET revoked_at = ${at}
    WHERE client_id = ${id} AND revoked_at IS NULL`);
}

function read(row: RawConsumer): Consumer {
  return { ...row, redirectUris: JSON.parse(row.redirectUris), scopes: readList(row.scopes) };
}
