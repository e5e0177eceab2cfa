import type Database from 'better-sqlite3';

/** An installation of this id in the context of `eventRow()`, told of a type from the first event on: of its, by default. */
export function subscribe(db: Database.Database, id: string, type = 'repo:push'): void {
  db.prepare(
    `INSERT INTO installations (id, addon_key, context, client_key, oauth_client_id, state, created_at, updated_at)
     VALUES (@id, @id, 'acme', @id, @id, 'enabled', 1, 1)`,
  ).run({ id });
  db.prepare(
    `INSERT INTO subscriptions (context, event_type, installation_id, webhook_id, since, since_seq)
     VALUES ('acme', @type, @id, @id, 1, -1)`,
  ).run({ id, type });
}
