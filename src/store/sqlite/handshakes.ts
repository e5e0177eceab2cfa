// The install handshake's three transactions. The HTTP call stands between them, never inside one.
import type { Database } from 'better-sqlite3';
import { handshakeOver, otherOriginOf, rotationOver } from '../handshake-rules.ts';
import type { InstallationStore } from '../installation-store.ts';
import type { HandshakeProposal, InstallationRow } from '../rows.ts';
import { grantStatements } from './grants.ts';
import { installationColumns } from './installation-row.ts';
import { installationStateStatements } from './installation-states.ts';
import { insertCallStatement } from './lifecycle.ts';
import { runningHandshakeStatements } from './running-handshakes.ts';
import { subscriptionStatements } from './subscriptions.ts';
import type { Writer } from './writer.ts';

interface RawHandshake {
  id: string;
  installation_id: string;
  grant_id: string;
  oauth_secret_hash: Buffer;
  descriptor_url: string | null;
  base_url: string;
  descriptor: string;
  descriptor_digest: string;
  deadline: number;
}

export function handshakeOperations(
  db: Database,
  writer: Writer,
): Pick<
  InstallationStore,
  | 'beginHandshake'
  | 'acceptHandshake'
  | 'acceptRotation'
  | 'refuseHandshake'
  | 'refuseForgottenHandshakes'
> {
  const grants = grantStatements(db);
  const subscriptions = subscriptionStatements(db);
  const handshakes = runningHandshakeStatements(db);
  const states = installationStateStatements(db);
  const usersOfKey = db.prepare<{ addonKey: string; at: number }, { baseUrl: string }>(
    `SELECT base_url AS baseUrl FROM installations WHERE addon_key = @addonKey AND state IN ('enabled', 'disabled')
     UNION SELECT h.base_url FROM handshakes h JOIN installations i ON i.id = h.installation_id
     WHERE i.addon_key = @addonKey AND h.state = 'running' AND h.deadline > @at`,
  );
  const insertCall = insertCallStatement(db);
  const find = db.prepare<[string], InstallationRow & { callHeldUntil: number | null }>(
    `SELECT ${installationColumns('i')}, i.call_held_until AS callHeldUntil FROM installations i WHERE i.id = ?`,
  );
  const findByAddon = db.prepare<[string, string], { id: string }>(
    'SELECT id FROM installations WHERE addon_key = ? AND context = ?',
  );
  const insertInstallation = db.prepare(
    `INSERT INTO installations (id, addon_key, context, client_key, oauth_client_id, state,
       candidate_secrets, call_holder, call_held_until, created_at, updated_at)
     VALUES (@installationId, @addonKey, @context, @clientKey, @oauthClientId, 'pending',
       @candidateSecrets, @holder, @deadline, @at, @at)`,
  );
  const insertClient = db.prepare(
    `INSERT INTO oauth_clients (id, kind, installation_id, secret_hash, enabled, created_at)
     VALUES (@oauthClientId, 'installation', @installationId, NULL, 1, @at)`,
  );
  const holdExisting = db.prepare(
    `UPDATE installations SET candidate_secrets = @candidateSecrets, call_holder = @holder,
       call_held_until = @deadline, epoch = epoch + 1, updated_at = @at,
       state = CASE WHEN state = 'uninstalled' THEN 'pending' ELSE state END
     WHERE id = @installationId`,
  );
  const supersedeCalls = db.prepare(
    `UPDATE lifecycle_calls SET state = 'superseded' WHERE installation_id = ? AND state = 'owed'`,
  );
  const insertHandshake = db.prepare(
    `INSERT INTO handshakes (id, installation_id, grant_id, oauth_secret_hash, descriptor_url, base_url, descriptor,
       descriptor_digest, state, started_at, deadline)
     VALUES (@id, @installationId, @grantId, @oauthSecretHash, @descriptorUrl, @baseUrl, @descriptor,
       @descriptorDigest, 'running', @at, @deadline)`,
  );
  const running = db.prepare<[string], RawHandshake>(
    `SELECT id, installation_id, grant_id, oauth_secret_hash, descriptor_url, base_url, descriptor, descriptor_digest, deadline
     FROM handshakes WHERE id = ? AND state = 'running'`,
  );
  const forgotten = db.prepare<[number], RawHandshake>(
    `SELECT id, installation_id, grant_id FROM handshakes WHERE state = 'running' AND deadline < ?`,
  );
  // The hold of this very handshake: a later one has another deadline.
  const releaseHold = db.prepare(
    `UPDATE installations SET call_holder = NULL, call_held_until = NULL
     WHERE (id, call_held_until) = (SELECT installation_id, deadline FROM handshakes WHERE id = ?)`,
  );
  const activateGrant = db.prepare(
    'UPDATE oauth_grants SET handshake_id = NULL, since = ? WHERE id = ?',
  );
  // Nothing of an overlap lives on: the add-on may be at another origin now.
  const activateClient = db.prepare(
    `UPDATE oauth_clients SET secret_hash = ?, enabled = 1, previous_secret_hash = NULL, previous_secret_until = NULL
     WHERE installation_id = ?`,
  );
  const rotateClient = db.prepare(
    `UPDATE oauth_clients SET previous_secret_hash = secret_hash, previous_secret_until = @previousUntil,
       secret_hash = @oauth_secret_hash
     WHERE installation_id = @installation_id`,
  );
  const activateInstallation = db.prepare(
    `UPDATE installations SET state = 'enabled', epoch = epoch + 1, descriptor_url = @descriptor_url,
       base_url = @base_url, descriptor = @descriptor, descriptor_digest = @descriptor_digest,
       descriptor_version = descriptor_version + 1,
       acknowledged_secrets = candidate_secrets, candidate_secrets = NULL,
       previous_secrets = NULL, previous_secrets_until = NULL,
       call_holder = NULL, call_held_until = NULL,
       installed_at = @at, uninstalled_at = NULL, updated_at = @at
     WHERE id = @installation_id`,
  );
  const rotateInstallation = db.prepare(
    `UPDATE installations SET epoch = epoch + 1, updated_at = @at,
       previous_secrets = acknowledged_secrets, previous_secrets_until = @previousUntil,
       acknowledged_secrets = candidate_secrets, candidate_secrets = NULL,
       call_holder = NULL, call_held_until = NULL
     WHERE id = @installation_id`,
  );

  /** The handshake, if its yes still counts; if not, that it is over must stand: nothing may be thrown after this. */
  function stillRunning(id: string, at: number): RawHandshake | undefined {
    const handshake = running.get(id);
    if (handshake && handshake.deadline >= at) return handshake;
    if (handshake) handshakes.refuse(handshake, at);
    else releaseHold.run(id);
    return undefined;
  }

  /** Where this add-on's key is in use, or about to be. */
  function usedAt({ addonKey, at }: HandshakeProposal): string[] {
    return usersOfKey.all({ addonKey, at }).map(({ baseUrl }) => baseUrl);
  }

  return {
    beginHandshake: (proposal) =>
      writer.write(() => {
        const known = findByAddon.get(proposal.addonKey, proposal.context);
        const before = known && find.get(known.id)!;
        if ((before?.epoch ?? null) !== proposal.expectedEpoch) return undefined;
        const takenBy = proposal.acceptNewOrigin
          ? undefined
          : otherOriginOf(proposal.baseUrl, usedAt(proposal));
        if (takenBy !== undefined) return { takenBy };
        if (before) {
          if (before.callHeldUntil !== null && before.callHeldUntil > proposal.at) return undefined;
          handshakes.refuseAllOf(before.id, proposal.at);
          holdExisting.run(proposal);
        } else {
          insertInstallation.run(proposal);
          insertClient.run(proposal);
        }
        const installation = find.get(proposal.installationId)!;
        grants.insert({
          id: proposal.grantId,
          clientId: installation.oauthClientId,
          kind: 'installation',
          installationId: proposal.installationId,
          context: installation.context,
          scopes: proposal.scopes,
          resources: proposal.resources,
          handshakeId: proposal.id,
          since: proposal.at,
        });
        insertHandshake.run(proposal);
        return { id: proposal.id, grantId: proposal.grantId, installation };
      }),

    async acceptHandshake(id, { at, webhooks, subscriptions: wanted, call }) {
      const accepted = await writer.write(() => {
        const handshake = stillRunning(id, at);
        if (!handshake) return undefined;
        const installationId = handshake.installation_id;
        supersedeCalls.run(installationId);
        const previous = grants.findInForce(installationId);
        const before = find.get(installationId)!;
        const hasMoved =
          before.baseUrl !== null &&
          new URL(before.baseUrl).origin !== new URL(handshake.base_url).origin;
        // Tokens that another origin holds do not live on under its successor's grant.
        if (previous && hasMoved) grants.end(previous.id, at, 'moved');
        else if (previous) grants.succeed(previous.id, handshake.grant_id, at, 'reinstalled');
        grants.endActingAs(installationId, at);
        activateGrant.run(at, handshake.grant_id);
        activateClient.run(handshake.oauth_secret_hash, installationId);
        activateInstallation.run({ ...handshake, at });
        states.enter(installationId, 'enabled', at);
        const installation = find.get(installationId)!;
        subscriptions.replaceWebhooks(installationId, webhooks, at);
        subscriptions.replace(installationId, installation.context, wanted, at);
        subscriptions.replaceResources(
          installationId,
          grants.findInForce(installationId)!.resources,
          at,
        );
        handshakes.accepted(id, at);
        if (call) insertCall.run(call);
        return installation;
      });
      if (!accepted) throw handshakeOver();
      return accepted;
    },

    async acceptRotation(id, { at, previousUntil }) {
      const accepted = await writer.write(() => {
        const handshake = stillRunning(id, at);
        if (!handshake) return undefined;
        const grant = grants.findInForce(handshake.installation_id);
        if (!grant) {
          handshakes.refuse(handshake, at);
          return undefined;
        }
        grants.succeed(handshake.grant_id, grant.id, at, 'rotated');
        rotateClient.run({ ...handshake, previousUntil });
        rotateInstallation.run({ ...handshake, at, previousUntil });
        handshakes.accepted(id, at);
        return find.get(handshake.installation_id)!;
      });
      if (!accepted) throw rotationOver();
      return accepted;
    },

    refuseHandshake: (id, at) =>
      writer.write(() => {
        const handshake = running.get(id);
        if (handshake) handshakes.refuse(handshake, at);
        else releaseHold.run(id);
      }),

    async refuseForgottenHandshakes(now) {
      if (!forgotten.get(now)) return;
      await writer.write(() => {
        for (const handshake of forgotten.all(now)) handshakes.refuse(handshake, now);
      });
    },
  };
}
