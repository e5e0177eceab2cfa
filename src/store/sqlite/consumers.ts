// Consumers registered by hand, each with the grant under which it acts for its owner.
import type { Database } from 'better-sqlite3';
import { readList, writeList } from '../lists.ts';
import type { Consumer } from '../oauth-rows.ts';
import type { ConsumerStore } from '../oauth-store.ts';
import { grantStatements } from './grants.ts';
import type { Writer } from './writer.ts';

interface RawConsumer {
  id: string;
  name: string;
  redirectUris: string;
  eventsUri: string | null;
  scopes: string | null;
  isPublic: number;
  ownerContext: string;
  ownerUser: string | null;
  isOauth1: number;
  createdAt: number;
  updatedAt: number | null;
}

const COLUMNS = `id, name, redirect_uris AS redirectUris, events_uri AS eventsUri, scopes, is_public AS isPublic,
  owner_context AS ownerContext, owner_user AS ownerUser, oauth1_secret IS NOT NULL AS isOauth1,
  created_at AS createdAt, updated_at AS updatedAt`;

export function consumerStore(db: Database, writer: Writer): ConsumerStore {
  const grants = grantStatements(db);
  const find = db.prepare<[string], RawConsumer>(
    `SELECT ${COLUMNS} FROM oauth_clients WHERE id = ? AND kind = 'consumer' AND deleted_at IS NULL`,
  );
  const list = db.prepare<
    { ownerUser: string | null; after: string | null; limit: number },
    RawConsumer
  >(
    `SELECT ${COLUMNS} FROM oauth_clients
     WHERE kind = 'consumer' AND deleted_at IS NULL
       AND (@ownerUser IS NULL OR owner_user = @ownerUser)
       AND (@after IS NULL OR (created_at, id) <
         (SELECT created_at, id FROM oauth_clients WHERE id = @after))
     ORDER BY created_at DESC, id DESC LIMIT @limit`,
  );
  const insert = db.prepare(
    `INSERT INTO oauth_clients (id, kind, name, redirect_uris, events_uri, scopes, is_public, owner_context,
       owner_user, secret_hash, oauth1_secret, enabled, created_at)
     VALUES (@id, 'consumer', @name, @redirectUris, @eventsUri, @scopes, @isPublic, @ownerContext,
       @ownerUser, @secretHash, @oauth1Secret, 1, @createdAt)`,
  );
  const change = db.prepare(
    `UPDATE oauth_clients SET name = @name, redirect_uris = @redirectUris, events_uri = @eventsUri, scopes = @scopes,
       updated_at = @at
     WHERE id = @id AND deleted_at IS NULL`,
  );
  const rotate = db.prepare(
    `UPDATE oauth_clients SET previous_secret_hash = secret_hash, previous_secret_until = @previousUntil,
       secret_hash = @secretHash, previous_oauth1_secret = oauth1_secret,
       oauth1_secret = CASE WHEN oauth1_secret IS NULL THEN NULL ELSE @oauth1Secret END, updated_at = @at
     WHERE id = @id AND kind = 'consumer' AND is_public = 0 AND deleted_at IS NULL`,
  );
  const remove = db.prepare(
    `UPDATE oauth_clients SET deleted_at = @at, enabled = 0, events_uri = NULL, secret_hash = NULL,
       previous_secret_hash = NULL, oauth1_secret = NULL, previous_oauth1_secret = NULL
     WHERE id = @id AND kind = 'consumer' AND deleted_at IS NULL`,
  );
  const closeOauth1 = [
    'UPDATE oauth_clients SET oauth1_secret = NULL, previous_oauth1_secret = NULL WHERE id = @id',
    'UPDATE oauth1_request_tokens SET used_at = @at WHERE client_id = @id AND used_at IS NULL',
    'UPDATE oauth1_access_tokens SET revoked_at = @at WHERE client_id = @id AND revoked_at IS NULL',
  ].map((sql) => db.prepare(sql));
  const endGrants = db.prepare(
    `UPDATE oauth_grants SET until = ?, ended_because = 'consumer_deleted' WHERE client_id = ? AND until IS NULL`,
  );

  return {
    create: (consumer) =>
      writer.write(() => {
        insert.run({
          ...consumer,
          redirectUris: JSON.stringify(consumer.redirectUris),
          scopes: writeList(consumer.scopes),
          isPublic: consumer.isPublic ? 1 : 0,
        });
        if (consumer.ownGrantId !== undefined) {
          grants.insert({
            id: consumer.ownGrantId,
            clientId: consumer.id,
            kind: 'consumer',
            context: consumer.ownerContext,
            scopes: consumer.scopes ?? [],
            resources: null,
            since: consumer.createdAt,
          });
        }
        return read(find.get(consumer.id)!);
      }),
    async find(id) {
      const raw = find.get(id);
      return raw && read(raw);
    },
    async list({ ownerUser, after, limit }) {
      return list.all({ ownerUser: ownerUser ?? null, after: after ?? null, limit }).map(read);
    },
    change: (id, wanted, at) =>
      writer.write(() => {
        const raw = find.get(id);
        if (!raw) return undefined;
        const before = read(raw);
        const scopes = wanted.scopes ?? before.scopes;
        change.run({
          id,
          at,
          name: wanted.name ?? before.name,
          redirectUris: JSON.stringify(wanted.redirectUris ?? before.redirectUris),
          eventsUri: wanted.eventsUri === undefined ? before.eventsUri : wanted.eventsUri,
          scopes: writeList(scopes),
        });
        if (wanted.closesOauth1) for (const close of closeOauth1) close.run({ id, at });
        const own = grants.findOwn(id);
        if (own && wanted.scopes !== undefined) {
          grants.insert({
            ...own,
            id: wanted.ownGrantId,
            installationId: undefined,
            userId: undefined,
            scopes: scopes ?? [],
            since: at,
          });
          grants.succeed(own.id, wanted.ownGrantId, at, 'changed');
        }
        return read(find.get(id)!);
      }),
    rotateSecret: (id, secret, at, previousUntil) =>
      writer.write(
        () =>
          rotate.run({
            id,
            secretHash: secret.hash,
            oauth1Secret: secret.oauth1,
            at,
            previousUntil,
          }).changes === 1,
      ),
    remove: (id, at) =>
      writer.write(() => {
        if (remove.run({ id, at }).changes === 0) return false;
        endGrants.run(at, id);
        return true;
      }),
  };
}

function read(raw: RawConsumer): Consumer {
  return {
    ...raw,
    redirectUris: JSON.parse(raw.redirectUris),
    scopes: readList(raw.scopes),
    isPublic: raw.isPublic === 1,
    isOauth1: raw.isOauth1 === 1,
  };
}
