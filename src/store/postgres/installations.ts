// Installations: one add-on in one context, from the first handshake to the goodbye. Each change begins with an UPDATE
// on its row that says what must be true of it, so that changes come one after the other.
import sql, { type Sql } from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import type { InstallationStore } from '../installation-store.ts';
import type { InstallationRow } from '../rows.ts';
import { isOwned } from './buckets.ts';
import type { Database } from './database.ts';
import { lockFanOut } from './fan-out-lock.ts';
import {
  endGrantsActingAs,
  findGrantInForce,
  findGrantOfHandshake,
  insertGrant,
  succeedGrant,
} from './grants.ts';
import { handshakeOperations } from './handshakes.ts';
import { findInstallation, installationColumns, lockInstallation } from './installation-row.ts';
import { enterState, leaveState } from './installation-states.ts';
import { clearLaneState } from './lane-states.ts';
import { oweCall } from './lifecycle.ts';
import type { OwnBuckets } from './own-buckets.ts';
import { previousSecretOperations } from './previous-secrets.ts';
import type { Queries } from './queries.ts';
import { refuseAllOf } from './running-handshakes.ts';
import { endSubscriptions, replaceResources, replaceSubscriptions } from './subscriptions.ts';
import { findWebhooks, switchWebhooksOn } from './webhooks.ts';

const COLUMNS = installationColumns('i');
const PLATFORM_DIGEST = 'platform_digest';

export function installationStore(db: Database, own: OwnBuckets): InstallationStore {
  const findWhere = (condition: Sql) =>
    db.get<InstallationRow>(sql`SELECT ${COLUMNS} FROM mortise.installations i WHERE ${condition}`);
  return {
    ...handshakeOperations(db),
    ...previousSecretOperations(db),
    find: (id) => findInstallation(db, id),
    findByAddon: (addonKey, context) =>
      findWhere(sql`i.addon_key = ${addonKey} AND i.context = ${context}`),
    findByClientKey: (clientKey) => findWhere(sql`i.client_key = ${clientKey}`),
    findOthers: (addonKey) =>
      db.all(sql`SELECT ${COLUMNS} FROM mortise.installations i WHERE i.addon_key = ${addonKey}`),
    list: ({ state, after, limit }) =>
      db.all(sql`SELECT ${COLUMNS} FROM mortise.installations i
        WHERE (${after}::text IS NULL OR i.id < ${after})
          AND CASE WHEN ${state}::text IS NULL THEN i.state <> 'uninstalled' ELSE i.state = ${state} END
        ORDER BY i.id DESC LIMIT ${limit}`),
    findGrant: (installationId) => findGrantInForce(db, installationId),
    findHandshakeGrant: (grantId) => findGrantOfHandshake(db, grantId),
    findWebhooks: (installationId) => findWebhooks(db, installationId),
    uninstall: (id, at, goodbye) =>
      db.transaction(
        async (tx) => {
          const before = await lockInstallation(tx, id);
          if (!before || before.state === 'uninstalled') {
            await refuseAllOf(tx, id, at);
            return false;
          }
          const wasInstalled = before.state !== 'pending';
          await refuseAllOf(tx, id, at);
          await markUninstalled(tx, id, at, wasInstalled);
          if (wasInstalled) {
            await leaveState(tx, id, at);
            await oweCall(tx, goodbye);
          }
          await tx.run(sql`UPDATE mortise.oauth_grants SET until = ${at}, ended_because = 'uninstalled'
          WHERE installation_id = ${id} AND until IS NULL`);
          await endSubscriptions(tx, id, at);
          return true;
          // Who comes second changes nothing, and is told no earlier than who came first.
        },
        { seen: id },
      ),
    setState: (id, state, { at, expectedEpoch, subscriptions: wanted, call }) =>
      db.transaction(async (tx) => {
        const installation = await change(tx, id, sql`state = ${state}`, at, expectedEpoch);
        if (!installation) return undefined;
        await enterState(tx, id, state, at);
        await refuseAllOf(tx, id, at);
        await oweCall(tx, call);
        await replaceSubscriptions(tx, installation, wanted, at, await lockFanOut(tx));
        return installation;
      }),
    setGrant: (id, grant, { at, expectedEpoch, subscriptions: wanted, call }) =>
      db.transaction(async (tx) => {
        await lockInstallation(tx, id);
        const previous = await findGrantInForce(tx, id);
        const installation = previous && (await change(tx, id, undefined, at, expectedEpoch));
        if (!installation) return undefined;
        await refuseAllOf(tx, id, at);
        await succeedGrant(tx, previous.id, grant.id, at, 'changed');
        await insertGrant(tx, {
          ...grant,
          clientId: previous.clientId,
          kind: 'installation',
          installationId: id,
          context: installation.context,
          since: at,
        });
        await endGrantsActingAs(tx, id, at);
        await oweCall(tx, call);
        const lastSeq = await lockFanOut(tx);
        await replaceSubscriptions(tx, installation, wanted, at, lastSeq);
        await replaceResources(tx, id, grant.resources, at, lastSeq);
        return installation;
      }),
    recover: (id, { at, expectedEpoch, subscriptions: wanted, ifPaused }) =>
      db.transaction(async (tx) => {
        const installation = await change(tx, id, undefined, at, expectedEpoch);
        if (!installation) return undefined;
        const lane = await clearLaneState(tx, id);
        if (lane && lane.pausedAt !== null) await oweCall(tx, ifPaused);
        const webhooksOn = await switchWebhooksOn(tx, id, at);
        await tx.run(
          sql`INSERT INTO mortise.recoveries (installation_id, bucket) VALUES (${id}, ${bucketOf(id)})
            ON CONFLICT DO NOTHING`,
        );
        await replaceSubscriptions(tx, installation, wanted, at, await lockFanOut(tx));
        return { installation, webhooksOn };
      }),
    async takeRecovered() {
      const isMine = isOwned(own);
      const some = await db.get(sql`SELECT 1 FROM mortise.recoveries WHERE ${isMine} LIMIT 1`);
      if (some === undefined) return [];
      const taken = await db.alone<{ id: string }>(
        sql`DELETE FROM mortise.recoveries WHERE ${isMine} RETURNING installation_id AS id`,
      );
      return taken.map(({ id }) => id);
    },
    replaceSubscriptions: (installationId, wanted, at) =>
      db.transaction(async (tx) => {
        const installation = await lockInstallation(tx, installationId);
        if (!installation) return;
        await replaceSubscriptions(tx, installation, wanted, at, await lockFanOut(tx));
      }),
    async isPlatformKnown(digest) {
      const row = await db.get<{ value: string }>(
        sql`SELECT value FROM mortise.settings WHERE name = ${PLATFORM_DIGEST}`,
      );
      return row?.value === digest;
    },
    async rememberPlatform(digest) {
      await db.run(sql`INSERT INTO mortise.settings (name, value) VALUES (${PLATFORM_DIGEST}, ${digest})
        ON CONFLICT (name) DO UPDATE SET value = excluded.value`);
    },
  };
}

/**
 * Bumps the epoch, which locks the row.
 * @returns the installation as it is then; undefined if it is not installed, or has another epoch than expected
 */
function change(
  tx: Queries,
  id: string,
  what: Sql | undefined,
  at: number,
  expectedEpoch: number | undefined,
): Promise<InstallationRow | undefined> {
  return tx.get(sql`UPDATE mortise.installations i
    SET ${what ? sql`${what}, ` : sql``}epoch = epoch + 1, updated_at = ${at}
    WHERE id = ${id} AND state IN ('enabled', 'disabled')
      AND (${expectedEpoch}::bigint IS NULL OR epoch = ${expectedEpoch})
    RETURNING ${COLUMNS}`);
}

async function markUninstalled(tx: Queries, id: string, at: number, wasInstalled: boolean) {
  if (!wasInstalled) {
    await tx.run(sql`UPDATE mortise.installations SET state = 'uninstalled', epoch = epoch + 1, updated_at = ${at}
      WHERE id = ${id}`);
    return;
  }
  await tx.run(sql`UPDATE mortise.installations SET state = 'uninstalled', epoch = epoch + 1, uninstalled_at = ${at},
      updated_at = ${at}, previous_secrets = NULL, previous_secrets_until = NULL
    WHERE id = ${id}`);
  await tx.run(sql`UPDATE mortise.oauth_clients SET enabled = false, secret_hash = NULL, previous_secret_hash = NULL,
      previous_secret_until = NULL
    WHERE installation_id = ${id}`);
}
