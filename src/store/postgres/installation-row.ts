// One installation's columns, as several queries read them.
import sql, { raw, type Sql } from 'sql-template-tag';
import type { InstallationRow } from '../rows.ts';
import type { Queries } from './queries.ts';

/** @param alias of the table `installations` in the query. */
export function installationColumns(alias: string): Sql {
  return raw(`${alias}.id, ${alias}.addon_key AS "addonKey", ${alias}.context, ${alias}.client_key AS "clientKey",
    ${alias}.oauth_client_id AS "oauthClientId", ${alias}.state, ${alias}.epoch,
    ${alias}.descriptor_url AS "descriptorUrl", ${alias}.base_url AS "baseUrl", ${alias}.descriptor,
    ${alias}.descriptor_digest AS "descriptorDigest", ${alias}.descriptor_version AS "descriptorVersion",
    ${alias}.acknowledged_secrets AS "acknowledgedSecrets", ${alias}.candidate_secrets AS "candidateSecrets",
    ${alias}.previous_secrets AS "previousSecrets", ${alias}.previous_secrets_until AS "previousSecretsUntil",
    ${alias}.created_at AS "createdAt", ${alias}.updated_at AS "updatedAt",
    ${alias}.installed_at AS "installedAt", ${alias}.uninstalled_at AS "uninstalledAt"`);
}

const COLUMNS = installationColumns('i');

export function findInstallation(db: Queries, id: string): Promise<InstallationRow | undefined> {
  return db.get(sql`SELECT ${COLUMNS} FROM mortise.installations i WHERE i.id = ${id}`);
}

/**
 * What changes an installation comes one after the other: each begins by locking its row, here or with its own UPDATE,
 * and only then looks at grants, handshakes and subscriptions.
 */
export function lockInstallation(tx: Queries, id: string): Promise<InstallationRow | undefined> {
  return tx.get(sql`SELECT ${COLUMNS} FROM mortise.installations i WHERE i.id = ${id} FOR UPDATE`);
}
