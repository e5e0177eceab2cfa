// The install handshake's three transactions. The HTTP call stands between them, never inside one.
import sql from 'sql-template-tag';
import { handshakeOver, otherOriginOf, rotationOver } from '../handshake-rules.ts';
import type { InstallationStore } from '../installation-store.ts';
import type { HandshakeProposal, InstallationRow } from '../rows.ts';
import type { Database } from './database.ts';
import { lockFanOut } from './fan-out-lock.ts';
import { withoutNul } from './free-text.ts';
import {
  endGrant,
  endGrantsActingAs,
  findGrantInForce,
  insertGrant,
  succeedGrant,
} from './grants.ts';
import { findInstallation, installationColumns, lockInstallation } from './installation-row.ts';
import { enterState } from './installation-states.ts';
import { oweCall } from './lifecycle.ts';
import { lockAddonKey } from './locks.ts';
import type { Queries } from './queries.ts';
import {
  endHandshake,
  type RunningHandshake,
  refuseAllOf,
  refuseRunning,
} from './running-handshakes.ts';
import { replaceResources, replaceSubscriptions, replaceWebhooks } from './subscriptions.ts';

interface Handshake extends RunningHandshake {
  oauthSecretHash: Buffer;
  descriptorUrl: string | null;
  baseUrl: string;
  descriptor: string;
  descriptorDigest: string;
  deadline: number;
}

export function handshakeOperations(
  db: Database,
): Pick<
  InstallationStore,
  | 'beginHandshake'
  | 'acceptHandshake'
  | 'acceptRotation'
  | 'refuseHandshake'
  | 'refuseForgottenHandshakes'
> {
  return {
    beginHandshake: (proposal) =>
      db.transaction(async (tx) => {
        await lockAddonKey(tx, proposal.addonKey);
        const before = await tx.get<InstallationRow & { callHeldUntil: number | null }>(
          sql`SELECT ${installationColumns('i')}, i.call_held_until AS "callHeldUntil" FROM mortise.installations i
            WHERE i.addon_key = ${proposal.addonKey} AND i.context = ${proposal.context} FOR UPDATE`,
        );
        if ((before?.epoch ?? null) !== proposal.expectedEpoch) return undefined;
        const takenBy = proposal.acceptNewOrigin
          ? undefined
          : otherOriginOf(proposal.baseUrl, await usersOfKey(tx, proposal));
        if (takenBy !== undefined) return { takenBy };
        if (before) {
          if (before.callHeldUntil !== null && before.callHeldUntil > proposal.at) return undefined;
          await refuseAllOf(tx, before.id, proposal.at);
          await holdExisting(tx, proposal);
        } else {
          await insertInstallation(tx, proposal);
        }
        const installation = (await findInstallation(tx, proposal.installationId))!;
        await insertGrant(tx, {
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
        await insertHandshake(tx, proposal);
        return { id: proposal.id, grantId: proposal.grantId, installation };
      }),

    async acceptHandshake(id, { at, webhooks, subscriptions: wanted, call }) {
      const accepted = await db.transaction(async (tx) => {
        const handshake = await lockRunning(tx, id, at);
        if (!handshake) return undefined;
        const { installationId } = handshake;
        await tx.run(sql`UPDATE mortise.lifecycle_calls SET state = 'superseded'
          WHERE installation_id = ${installationId} AND state = 'owed'`);
        const before = (await findInstallation(tx, installationId))!;
        await replaceGrant(tx, handshake, before, at);
        await endHandshake(tx, id, 'accepted', at);
        await activate(tx, handshake, at);
        await enterState(tx, installationId, 'enabled', at);
        const { resources } = (await findGrantInForce(tx, installationId))!;
        const lastSeq = await lockFanOut(tx);
        await replaceWebhooks(tx, installationId, webhooks, at, lastSeq);
        await replaceSubscriptions(tx, before, wanted, at, lastSeq);
        await replaceResources(tx, installationId, resources, at, lastSeq);
        await oweCall(tx, call);
        return (await findInstallation(tx, installationId))!;
      });
      if (!accepted) throw handshakeOver();
      return accepted;
    },

    async acceptRotation(id, { at, previousUntil }) {
      const accepted = await db.transaction(async (tx) => {
        const handshake = await lockRunning(tx, id, at);
        if (!handshake) return undefined;
        const { installationId } = handshake;
        const grant = await findGrantInForce(tx, installationId);
        if (!grant) {
          await refuseRunning(tx, handshake, at);
          return undefined;
        }
        await succeedGrant(tx, handshake.grantId, grant.id, at, 'rotated');
        await endHandshake(tx, id, 'accepted', at);
        await tx.run(sql`UPDATE mortise.oauth_clients SET previous_secret_hash = secret_hash,
            previous_secret_until = ${previousUntil}, secret_hash = ${handshake.oauthSecretHash}
          WHERE installation_id = ${installationId}`);
        await tx.run(sql`UPDATE mortise.installations SET epoch = epoch + 1, updated_at = ${at},
            previous_secrets = acknowledged_secrets, previous_secrets_until = ${previousUntil},
            acknowledged_secrets = candidate_secrets, candidate_secrets = NULL,
            call_holder = NULL, call_held_until = NULL
          WHERE id = ${installationId}`);
        return (await findInstallation(tx, installationId))!;
      });
      if (!accepted) throw rotationOver();
      return accepted;
    },

    refuseHandshake: (id, at) =>
      db.transaction(async (tx) => {
        const handshake = await lockUnended(tx, id);
        if (handshake) await refuseRunning(tx, handshake, at);
        else await releaseHold(tx, id);
      }),

    async refuseForgottenHandshakes(now) {
      const forgotten = await db.all<{ id: string }>(sql`SELECT id FROM mortise.handshakes
        WHERE state = 'running' AND deadline < ${now}`);
      for (const { id } of forgotten) {
        await db.transaction(async (tx) => {
          const handshake = await lockUnended(tx, id);
          if (handshake) await refuseRunning(tx, handshake, now);
        });
      }
    },
  };
}

/** The handshake and its installation; undefined once it has ended. */
async function lockUnended(tx: Queries, id: string): Promise<Handshake | undefined> {
  const known = await tx.get<{ installationId: string }>(
    sql`SELECT installation_id AS "installationId" FROM mortise.handshakes WHERE id = ${id}`,
  );
  if (!known) return undefined;
  await lockInstallation(tx, known.installationId);
  // After the lock, since whoever had it may have ended this.
  return tx.get(sql`SELECT id, installation_id AS "installationId", grant_id AS "grantId",
      oauth_secret_hash AS "oauthSecretHash", descriptor_url AS "descriptorUrl", base_url AS "baseUrl", descriptor,
      descriptor_digest AS "descriptorDigest", deadline
    FROM mortise.handshakes WHERE id = ${id} AND state = 'running'`);
}

/** The handshake, if its yes still counts; if not, that it is over must stand: nothing may be thrown after this. */
async function lockRunning(tx: Queries, id: string, at: number): Promise<Handshake | undefined> {
  const handshake = await lockUnended(tx, id);
  if (handshake && handshake.deadline >= at) return handshake;
  if (handshake) await refuseRunning(tx, handshake, at);
  else await releaseHold(tx, id);
  return undefined;
}

/** The hold of this very handshake: a later one has another deadline. */
async function releaseHold(tx: Queries, id: string): Promise<void> {
  await tx.run(sql`UPDATE mortise.installations SET call_holder = NULL, call_held_until = NULL
    WHERE (id, call_held_until) = (SELECT installation_id, deadline FROM mortise.handshakes WHERE id = ${id})`);
}

/** Where this add-on's key is in use, or about to be. */
async function usersOfKey(tx: Queries, { addonKey, at }: HandshakeProposal): Promise<string[]> {
  const rows = await tx.all<{
    baseUrl: string;
  }>(sql`SELECT base_url AS "baseUrl" FROM mortise.installations
    WHERE addon_key = ${addonKey} AND state IN ('enabled', 'disabled')
    UNION SELECT h.base_url FROM mortise.handshakes h JOIN mortise.installations i ON i.id = h.installation_id
    WHERE i.addon_key = ${addonKey} AND h.state = 'running' AND h.deadline > ${at}`);
  return rows.map(({ baseUrl }) => baseUrl);
}

async function insertInstallation(tx: Queries, proposal: HandshakeProposal): Promise<void> {
  await tx.run(sql`INSERT INTO mortise.installations (id, addon_key, context, client_key, oauth_client_id, state,
      candidate_secrets, call_holder, call_held_until, created_at, updated_at)
    VALUES (${proposal.installationId}, ${proposal.addonKey}, ${proposal.context}, ${proposal.clientKey},
      ${proposal.oauthClientId}, 'pending', ${proposal.candidateSecrets}, ${proposal.holder}, ${proposal.deadline},
      ${proposal.at}, ${proposal.at})`);
  await tx.run(sql`INSERT INTO mortise.oauth_clients (id, kind, installation_id, secret_hash, enabled, created_at)
    VALUES (${proposal.oauthClientId}, 'installation', ${proposal.installationId}, NULL, true, ${proposal.at})`);
}

async function holdExisting(tx: Queries, proposal: HandshakeProposal): Promise<void> {
  await tx.run(sql`UPDATE mortise.installations SET candidate_secrets = ${proposal.candidateSecrets},
      call_holder = ${proposal.holder}, call_held_until = ${proposal.deadline}, epoch = epoch + 1,
      updated_at = ${proposal.at}, state = CASE WHEN state = 'uninstalled' THEN 'pending' ELSE state END
    WHERE id = ${proposal.installationId}`);
}

async function insertHandshake(tx: Queries, proposal: HandshakeProposal): Promise<void> {
  await tx.run(sql`INSERT INTO mortise.handshakes (id, installation_id, grant_id, oauth_secret_hash, descriptor_url,
      base_url, descriptor, descriptor_digest, state, started_at, deadline)
    VALUES (${proposal.id}, ${proposal.installationId}, ${proposal.grantId}, ${proposal.oauthSecretHash},
      ${proposal.descriptorUrl}, ${proposal.baseUrl}, ${proposal.descriptor}, ${proposal.descriptorDigest}, 'running',
      ${proposal.at}, ${proposal.deadline})`);
}

/** The grant of the handshake takes the place of the one in force. */
async function replaceGrant(
  tx: Queries,
  { installationId, grantId, baseUrl }: Handshake,
  before: InstallationRow,
  at: number,
): Promise<void> {
  const previous = await findGrantInForce(tx, installationId);
  const hasMoved =
    before.baseUrl !== null && new URL(before.baseUrl).origin !== new URL(baseUrl).origin;
  // Tokens that another origin holds do not live on under its successor's grant.
  if (previous && hasMoved) await endGrant(tx, previous.id, at, 'moved');
  else if (previous) await succeedGrant(tx, previous.id, grantId, at, 'reinstalled');
  await endGrantsActingAs(tx, installationId, at);
  await tx.run(
    sql`UPDATE mortise.oauth_grants SET handshake_id = NULL, since = ${at} WHERE id = ${grantId}`,
  );
}

async function activate(tx: Queries, handshake: Handshake, at: number): Promise<void> {
  const { addonName, isToldOfRevocations } = descriptorColumns(handshake.descriptor);
  // Nothing of an overlap lives on: the add-on may be at another origin now.
  await tx.run(sql`UPDATE mortise.oauth_clients SET secret_hash = ${handshake.oauthSecretHash}, enabled = true,
      previous_secret_hash = NULL, previous_secret_until = NULL
    WHERE installation_id = ${handshake.installationId}`);
  await tx.run(sql`UPDATE mortise.installations SET state = 'enabled', epoch = epoch + 1,
      descriptor_url = ${handshake.descriptorUrl}, base_url = ${handshake.baseUrl},
      descriptor = ${handshake.descriptor}, descriptor_digest = ${handshake.descriptorDigest},
      descriptor_version = descriptor_version + 1, addon_name = ${addonName},
      is_told_of_revocations = ${isToldOfRevocations},
      acknowledged_secrets = candidate_secrets, candidate_secrets = NULL,
      previous_secrets = NULL, previous_secrets_until = NULL, call_holder = NULL, call_held_until = NULL,
      installed_at = ${at}, uninstalled_at = NULL, updated_at = ${at}
    WHERE id = ${handshake.installationId}`);
}

/** What queries ask of the descriptor in force. @param descriptor null: none is in force yet */
export function descriptorColumns(descriptor: string | null): {
  addonName: string | null;
  isToldOfRevocations: boolean;
} {
  const { name, lifecycle } = JSON.parse(descriptor ?? '{}');
  return {
    addonName: withoutNul(name ?? null),
    isToldOfRevocations: (lifecycle?.authorizationRevoked ?? null) !== null,
  };
}
