// One installation's columns, as several queries read them.

/** @param alias of the table `installations` in the query. */
export function installationColumns(alias: string): string {
  return `${alias}.id, ${alias}.addon_key AS addonKey, ${alias}.context, ${alias}.client_key AS clientKey,
    ${alias}.oauth_client_id AS oauthClientId, ${alias}.state, ${alias}.epoch,
    ${alias}.descriptor_url AS descriptorUrl, ${alias}.base_url AS baseUrl, ${alias}.descriptor,
    ${alias}.descriptor_digest AS descriptorDigest, ${alias}.descriptor_version AS descriptorVersion,
    ${alias}.acknowledged_secrets AS acknowledgedSecrets, ${alias}.candidate_secrets AS candidateSecrets,
    ${alias}.previous_secrets AS previousSecrets, ${alias}.previous_secrets_until AS previousSecretsUntil,
    ${alias}.created_at AS createdAt, ${alias}.updated_at AS updatedAt,
    ${alias}.installed_at AS installedAt, ${alias}.uninstalled_at AS uninstalledAt`;
}
