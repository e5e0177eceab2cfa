// Installations: one add-on in one context, from the first handshake to the goodbye.
import type { Database } from 'better-sqlite3';
import type { InstallationStore } from '../installation-store.ts';
import type { InstallationRow, LifecycleCall, WebhookRow } from '../rows.ts';
import { grantStatements } from './grants.ts';
import { handshakeOperations } from './handshakes.ts';
import { installationColumns } from './installation-row.ts';
import { installationStateStatements } from './installation-states.ts';
import { laneStateStatements } from './lane-states.ts';
import { insertCallStatement } from './lifecycle.ts';
import { previousSecretOperations } from './previous-secrets.ts';
import { runningHandshakeStatements } from './running-handshakes.ts';
import { subscriptionStatements } from './subscriptions.ts';
import { WEBHOOK_COLUMNS, webhookStatements } from './webhooks.ts';
import type { Writer } from './writer.ts';

const COLUMNS = installationColumns('i');
const PLATFORM_DIGEST = 'platform_digest';

export function installationStore(db: Database, writer: Writer): InstallationStore {
  const grants = grantStatements(db);
  const subscriptions = subscriptionStatements(db);
  const states = installationStateStatements(db);
  const insertCall = insertCallStatement(db);
  const laneStates = laneStateStatements(db);
  const hooks = webhookStatements(db);
  const find = db.prepare<[string], InstallationRow>(
    `SELECT ${COLUMNS} FROM installations i WHERE i.id = ?`,
  );
  const findByAddon = db.prepare<[string, string], InstallationRow>(
    `SELECT ${COLUMNS} FROM installations i WHERE i.addon_key = ? AND i.context = ?`,
  );
  const findByClientKey = db.prepare<[string], InstallationRow>(
    `SELECT ${COLUMNS} FROM installations i WHERE i.client_key = ?`,
  );
  const findOthers = db.prepare<[string], InstallationRow>(
    `SELECT ${COLUMNS} FROM installations i WHERE i.addon_key = ?`,
  );
  const list = db.prepare<
    { state: string | null; after: string | null; limit: number },
    InstallationRow
  >(
    `SELECT ${COLUMNS} FROM installations i
     WHERE (@after IS NULL OR i.id < @after)
       AND CASE WHEN @state IS NULL THEN i.state <> 'uninstalled' ELSE i.state = @state END
     ORDER BY i.id DESC LIMIT @limit`,
  );
  const webhooks = db.prepare<[string], WebhookRow>(
    `SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE installation_id = ? AND until IS NULL ORDER BY rowid`,
  );
  const markUninstalled = db.prepare(
    `UPDATE installations SET state = 'uninstalled', epoch = epoch + 1, uninstalled_at = @at, updated_at = @at,
       previous_secrets = NULL, previous_secrets_until = NULL
     WHERE id = @id AND state IN ('enabled', 'disabled')`,
  );
  const cancelPending = db.prepare(
    `UPDATE installations SET state = 'uninstalled', epoch = epoch + 1, updated_at = @at
     WHERE id = @id AND state = 'pending'`,
  );
  const handshakes = runningHandshakeStatements(db);
  const endGrants = db.prepare(
    `UPDATE oauth_grants SET until = @at, ended_because = 'uninstalled' WHERE installation_id = @id AND until IS NULL`,
  );
  const disableClient = db.prepare(
    `UPDATE oauth_clients SET enabled = 0, secret_hash = NULL, previous_secret_hash = NULL, previous_secret_until = NULL
     WHERE installation_id = ?`,
  );
  const setState = db.prepare(
    `UPDATE installations SET state = @state, epoch = epoch + 1, updated_at = @at
     WHERE id = @id AND state IN ('enabled', 'disabled') AND (@expectedEpoch IS NULL OR epoch = @expectedEpoch)`,
  );
  const bumpEpoch = db.prepare(
    `UPDATE installations SET epoch = epoch + 1, updated_at = @at WHERE id = @id AND state IN ('enabled', 'disabled')
       AND (@expectedEpoch IS NULL OR epoch = @expectedEpoch)`,
  );
  const noteRecovered = db.prepare(
    'INSERT INTO recoveries (installation_id) VALUES (?) ON CONFLICT DO NOTHING',
  );
  const recovered = db.prepare<[], string>('SELECT installation_id FROM recoveries').pluck();
  const forgetRecovered = db.prepare('DELETE FROM recoveries');
  const readSetting = db.prepare<[string], { value: string }>(
    'SELECT value FROM settings WHERE name = ?',
  );
  const writeSetting = db.prepare(
    'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  );

  function owe(call: LifecycleCall | undefined): void {
    if (call) insertCall.run(call);
  }

  return {
    ...handshakeOperations(db, writer),
    ...previousSecretOperations(db, writer),
    async find(id) {
      return find.get(id);
    },
    async findByAddon(addonKey, context) {
      return findByAddon.get(addonKey, context);
    },
    async findByClientKey(clientKey) {
      return findByClientKey.get(clientKey);
    },
    async findOthers(addonKey) {
      return findOthers.all(addonKey);
    },
    async list({ state, after, limit }) {
      return list.all({ state: state ?? null, after: after ?? null, limit });
    },
    async findGrant(installationId) {
      return grants.findInForce(installationId);
    },
    async findHandshakeGrant(grantId) {
      return grants.findOfHandshake(grantId);
    },
    async findWebhooks(installationId) {
      return webhooks.all(installationId);
    },
    uninstall: (id, at, goodbye) =>
      writer.write(() => {
        handshakes.refuseAllOf(id, at);
        const wasInstalled = markUninstalled.run({ id, at }).changes === 1;
        if (!wasInstalled && cancelPending.run({ id, at }).changes === 0) return false;
        if (wasInstalled) {
          disableClient.run(id);
          states.leave(id, at);
          owe(goodbye);
        }
        endGrants.run({ id, at });
        subscriptions.endAll(id, at);
        return true;
      }),
    setState: (id, state, { at, expectedEpoch, subscriptions: wanted, call }) =>
      writer.write(() => {
        if (setState.run({ id, state, at, expectedEpoch: expectedEpoch ?? null }).changes === 0)
          return undefined;
        states.enter(id, state, at);
        handshakes.refuseAllOf(id, at);
        const installation = find.get(id)!;
        subscriptions.replace(id, installation.context, wanted, at);
        owe(call);
        return installation;
      }),
    setGrant: (id, grant, { at, expectedEpoch, subscriptions: wanted, call }) =>
      writer.write(() => {
        const previous = grants.findInForce(id);
        if (
          !previous ||
          bumpEpoch.run({ id, at, expectedEpoch: expectedEpoch ?? null }).changes === 0
        )
          return undefined;
        handshakes.refuseAllOf(id, at);
        const installation = find.get(id)!;
        grants.insert({
          ...grant,
          clientId: previous.clientId,
          kind: 'installation',
          installationId: id,
          context: installation.context,
          since: at,
        });
        grants.succeed(previous.id, grant.id, at, 'changed');
        grants.endActingAs(id, at);
        subscriptions.replace(id, installation.context, wanted, at);
        subscriptions.replaceResources(id, grant.resources, at);
        owe(call);
        return installation;
      }),
    recover: (id, { at, expectedEpoch, subscriptions: wanted, ifPaused }) =>
      writer.write(() => {
        if (bumpEpoch.run({ id, at, expectedEpoch }).changes === 0) return undefined;
        const installation = find.get(id)!;
        const wasPaused = (laneStates.find(id)?.pausedAt ?? null) !== null;
        if (wasPaused) owe(ifPaused);
        laneStates.clear(id);
        const webhooksOn = hooks.switchOn(id, at);
        subscriptions.replace(id, installation.context, wanted, at);
        noteRecovered.run(id);
        return { installation, webhooksOn };
      }),
    async takeRecovered() {
      if (recovered.get() === undefined) return [];
      return writer.write(() => {
        const ids = recovered.all();
        forgetRecovered.run();
        return ids;
      });
    },
    replaceSubscriptions: (installationId, wanted, at) =>
      writer.write(() => {
        const installation = find.get(installationId);
        if (installation) subscriptions.replace(installationId, installation.context, wanted, at);
      }),
    async isPlatformKnown(digest) {
      return readSetting.get(PLATFORM_DIGEST)?.value === digest;
    },
    rememberPlatform: (digest) =>
      writer.write(() => void writeSetting.run(PLATFORM_DIGEST, digest)),
  };
}
