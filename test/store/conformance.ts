// What every store must do, whatever it is built on. Times are given, never read: the store has no clock.
//
// Seen red with each of these out of sqlite/, one at a time: `since` in fan-out, the context, the resource of an event
// that has none, what is left of a wide event, the installations it has served; the guard of a retry, the end of what
// is delivered; the expiry, context and body of an idempotency key; epoch and hold at the beginning of a handshake,
// the end of its grant and the candidate it leaves; each thing that an uninstall ends, the goodbye, the epoch; tokens
// that move; since that stays; the order of calls, superseding, the holder; cursor, tie and order of pages; each condition
// on who is asked for an explanation, each log it reads, and each place that writes them.
import { expect } from 'chai';
import { newId, timeOf } from '../../src/core/ids.ts';
import { sha256 } from '../../src/core/secrets.ts';
import type { OwedLane } from '../../src/store/delivery-store.ts';
import type { NewReplay, ReplayCount, ReplayRow } from '../../src/store/replay-rows.ts';
import { replayedId } from '../../src/store/replayed-id.ts';
import type {
  AttemptRecord,
  CallKind,
  Delivery,
  DeliveryFilter,
  EventRow,
  ExchangeRecord,
  HandshakeProposal,
  InstallationRow,
  LaneState,
  LifecycleCall,
  OwedDelivery,
  WebhookRow,
} from '../../src/store/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { attemptRecord } from '../helpers/attempt-record.ts';

export interface OpenedStore {
  readonly store: Store;
  /** Closes it and opens it again on the same data. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

const T = Date.UTC(2026, 0, 31, 12);
const SECOND = 1_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The name of the day of what was written before there were days. */
const BEFORE_DAYS = '00000000';

export function storeConformance(name: string, open: () => Promise<OpenedStore>): void {
  describe(name, () => {
    let opened: OpenedStore;
    let store: Store;

    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.close());

    // ---- what tests are made of

    function proposalFor(
      before: InstallationRow | undefined,
      own: Partial<HandshakeProposal> = {},
    ): HandshakeProposal {
      const id = newId();
      return {
        id,
        installationId: before?.id ?? newId(),
        expectedEpoch: before?.epoch ?? null,
        addonKey: before?.addonKey ?? 'addon',
        context: before?.context ?? 'acme',
        clientKey: `mck_${id}`,
        oauthClientId: `mcl_${id}`,
        oauthSecretHash: sha256(`oauth secret of ${id}`),
        grantId: newId(),
        scopes: ['repository'],
        resources: null,
        descriptorUrl: 'https://addon.example/descriptor.json',
        baseUrl: 'https://addon.example',
        descriptor: `{"of":"${id}"}`,
        descriptorDigest: `digest of ${id}`,
        candidateSecrets: `sealed ${id}`,
        holder: newId(),
        at: T,
        deadline: T + 45 * SECOND,
        ...own,
      };
    }

    async function begin(
      before?: InstallationRow,
      own: Partial<HandshakeProposal> = {},
    ): Promise<HandshakeProposal> {
      const proposal = proposalFor(before, own);
      const handshake = await store.installations.beginHandshake(proposal);
      expect(handshake, 'the handshake began').not.to.equal(undefined);
      return proposal;
    }

    function webhook(installationId: string, event = '*', path = '/hook'): WebhookRow {
      return {
        id: `${installationId} ${event} ${path}`,
        installationId,
        event,
        url: `https://addon.example${path}`,
        since: T,
        until: null,
        offSince: null,
        sinceSeq: 0,
      };
    }

    interface Acceptance {
      at?: number;
      webhooks?: WebhookRow[];
      types?: string[];
      call?: LifecycleCall;
    }

    function accept(
      proposal: HandshakeProposal,
      { at = proposal.at, webhooks, types = ['repo:push'], call }: Acceptance = {},
    ): Promise<InstallationRow> {
      const hooks = webhooks ?? [webhook(proposal.installationId)];
      return store.installations.acceptHandshake(proposal.id, {
        at,
        webhooks: hooks,
        subscriptions: hooks.flatMap(({ id: webhookId }) =>
          types.map((eventType) => ({ eventType, webhookId })),
        ),
        call,
      });
    }

    async function install(
      own: Partial<HandshakeProposal> = {},
      acceptance: Acceptance = {},
    ): Promise<InstallationRow> {
      const { id } = await accept(await begin(undefined, own), acceptance);
      return (await store.installations.find(id))!;
    }

    async function mint(grantId: string, clientId: string, text = newId()): Promise<Buffer> {
      const tokenHash = sha256(text);
      await store.tokens.mint({
        tokenHash,
        grantId,
        clientId,
        scopes: ['repository'],
        resources: null,
        createdAt: T,
        expiresAt: T + HOUR,
      });
      return tokenHash;
    }

    function event(own: Partial<EventRow> = {}): EventRow {
      return {
        id: newId(),
        type: 'repo:push',
        context: 'acme',
        resource: null,
        actor: null,
        orderingKey: null,
        traceId: null,
        payload: Buffer.from('{}'),
        createdAt: T,
        idempotency: null,
        ...own,
      };
    }

    function keyed(key: string, body: string, own: Partial<EventRow> = {}): EventRow {
      const createdAt = own.createdAt ?? T;
      return event({
        idempotency: { key, bodyHash: sha256(body), expiresAt: createdAt + 7 * 24 * HOUR },
        ...own,
      });
    }

    async function fanOutAll(at = T): Promise<void> {
      while ((await store.events.fanOut(64, at, 72 * HOUR)).events > 0);
    }

    async function publishAndFanOut(...events: EventRow[]): Promise<void> {
      await store.events.publish(events);
      await fanOutAll();
    }

    async function owed(installationId: string, at = T): Promise<OwedDelivery[]> {
      return (await store.deliveries.window(installationId, at, 1_000)).due;
    }

    function attempted(
      delivery: OwedDelivery,
      own: Partial<AttemptRecord> & Pick<AttemptRecord, 'outcome'>,
    ): AttemptRecord {
      return attemptRecord(delivery, { at: T + SECOND, durationMs: 12, ...own });
    }

    async function listAll(filter: Partial<DeliveryFilter> = {}): Promise<Delivery[]> {
      const found: Delivery[] = [];
      for (let after: string | undefined; ; ) {
        const page = await store.deliveries.list({ limit: 200, ...filter, after });
        found.push(...page.items);
        if (page.next === null) return found;
        after = page.next;
      }
    }

    function call(
      installationId: string,
      kind: CallKind,
      own: Partial<LifecycleCall> = {},
    ): LifecycleCall {
      return { id: newId(), installationId, kind, attempts: 0, dueAt: T, createdAt: T, ...own };
    }

    function exchange(of: LifecycleCall, own: Partial<ExchangeRecord> = {}): ExchangeRecord {
      return {
        id: newId(),
        installationId: of.installationId,
        kind: of.kind,
        attempt: of.attempts + 1,
        method: 'POST',
        url: 'https://addon.example/lifecycle',
        status: 204,
        errorCode: null,
        message: null,
        excerpt: null,
        at: T,
        durationMs: 3,
        ...own,
      };
    }

    async function codeOf(work: Promise<unknown>): Promise<string> {
      try {
        await work;
      } catch (error) {
        return (error as { code?: string }).code ?? String(error);
      }
      return 'no error';
    }

    function sweep(now: number, loggedSince = now - 30 * DAY): Promise<Record<string, number>> {
      return store.engine.sweep(now, loggedSince);
    }

    // ---- facts

    describe('a handshake', () => {
      it('makes a pending installation whose grant is in force for the handshake alone', async () => {
        const proposal = await begin();
        const row = (await store.installations.find(proposal.installationId))!;
        expect(row).to.include({
          state: 'pending',
          addonKey: 'addon',
          context: 'acme',
          clientKey: proposal.clientKey,
          candidateSecrets: proposal.candidateSecrets,
          acknowledgedSecrets: null,
          descriptor: null,
        });
        expect(await store.installations.findGrant(row.id)).to.equal(undefined);
        const grant = await store.installations.findHandshakeGrant(proposal.grantId);
        expect(grant).to.deep.include({ scopes: ['repository'], resources: null, until: null });
        const client = await store.clients.find(row.oauthClientId);
        expect(client!.secretHash).to.equal(null);
        expect(client!.handshake).to.deep.equal({
          id: proposal.id,
          secretHash: proposal.oauthSecretHash,
          deadline: proposal.deadline,
          grantId: proposal.grantId,
        });
      });

      it('does not begin while another one runs', async () => {
        const first = await begin();
        const row = (await store.installations.find(first.installationId))!;
        const second = proposalFor(row, { at: T + SECOND });
        expect(await store.installations.beginHandshake(second)).to.equal(undefined);
        await accept(first);
        expect((await store.installations.find(row.id))!.state).to.equal('enabled');
      });

      it('runs once when two begin for a new add-on at the same time', async () => {
        const begun = await Promise.all([
          store.installations.beginHandshake(proposalFor(undefined)),
          store.installations.beginHandshake(proposalFor(undefined)),
        ]);
        expect(begun.filter((handshake) => handshake !== undefined)).to.have.length(1);
      });

      it('does not begin from a row that has changed since', async () => {
        const row = await install();
        await store.installations.setState(row.id, 'disabled', { at: T, subscriptions: [] });
        expect(await store.installations.beginHandshake(proposalFor(row))).to.equal(undefined);
      });

      it('does not begin while a lifecycle call is under way', async () => {
        const row = await install();
        await store.lifecycle.hold(row.id, 'sequence', T, T + 30 * SECOND);
        expect(await store.installations.beginHandshake(proposalFor(row))).to.equal(undefined);
      });
    });

    describe('an accepted handshake', () => {
      it('brings everything proposed into force', async () => {
        const proposal = await begin();
        const row = await accept(proposal, { at: T + SECOND });
        expect(row).to.deep.include({
          state: 'enabled',
          descriptor: proposal.descriptor,
          descriptorDigest: proposal.descriptorDigest,
          descriptorUrl: proposal.descriptorUrl,
          baseUrl: proposal.baseUrl,
          descriptorVersion: 1,
          acknowledgedSecrets: proposal.candidateSecrets,
          candidateSecrets: null,
          installedAt: T + SECOND,
          uninstalledAt: null,
        });
        const grant = await store.installations.findGrant(row.id);
        expect(grant).to.deep.include({ id: proposal.grantId, until: null, since: T + SECOND });
        expect(await store.installations.findHandshakeGrant(proposal.grantId)).to.equal(undefined);
        const client = await store.clients.find(row.oauthClientId);
        expect(client).to.deep.include({ isEnabled: true, handshake: null });
        expect(client!.secretHash).to.deep.equal(proposal.oauthSecretHash);
        expect(await store.installations.findWebhooks(row.id)).to.have.length(1);
      });

      it('owes the call that comes with it', async () => {
        const proposal = await begin();
        const enabled = call(proposal.installationId, 'enabled');
        await accept(proposal, { call: enabled });
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([enabled]);
      });

      it('moves the tokens of the previous grant, and its own, to the new grant', async () => {
        const before = await install();
        const oldGrant = (await store.installations.findGrant(before.id))!;
        const old = await mint(oldGrant.id, before.oauthClientId);
        const proposal = await begin(before, { scopes: ['issue'] });
        const during = await mint(proposal.grantId, before.oauthClientId);
        await accept(proposal);
        for (const hash of [old, during]) {
          const check = (await store.tokens.check(hash))!;
          expect(check.grant).to.deep.include({
            id: proposal.grantId,
            scopes: ['issue'],
            until: null,
            handshakeDeadline: null,
          });
        }
      });

      it('keeps clientKey and OAuth client of the first, and counts descriptors', async () => {
        const first = await install();
        const again = await accept(await begin(first));
        expect(again).to.include({
          id: first.id,
          clientKey: first.clientKey,
          oauthClientId: first.oauthClientId,
          descriptorVersion: 2,
        });
        expect(again.epoch).to.be.greaterThan(first.epoch);
      });

      it('ends the webhooks that are not declared any more, and keeps the since of the others', async () => {
        const first = await install();
        const kept = webhook(first.id);
        const added = webhook(first.id, 'repo:push', '/pushes');
        await accept(await begin(first, { at: T + SECOND }), { webhooks: [kept, added] });
        const hooks = await store.installations.findWebhooks(first.id);
        expect(hooks.map(({ id, since }) => ({ id, since }))).to.have.deep.members([
          { id: kept.id, since: T },
          { id: added.id, since: T + SECOND },
        ]);
        const row = (await store.installations.find(first.id))!;
        await accept(await begin(row, { at: T + 2 * SECOND }), { webhooks: [added] });
        const left = await store.installations.findWebhooks(first.id);
        expect(left.map(({ id }) => id)).to.deep.equal([added.id]);
      });

      it('has a webhook once that its descriptor has twice', async () => {
        const first = await install();
        const twice = webhook(first.id, 'repo:push', '/pushes');
        await accept(await begin(first), { webhooks: [twice, { ...twice }] });
        const hooks = await store.installations.findWebhooks(first.id);
        expect(hooks.map(({ id }) => id)).to.deep.equal([twice.id]);
      });
    });

    describe('an accepted rotation', () => {
      const UNTIL = T + 24 * HOUR;

      async function rotated(before: InstallationRow): Promise<HandshakeProposal> {
        const proposal = await begin(before);
        const change = { at: T + SECOND, previousUntil: UNTIL };
        await store.installations.acceptRotation(proposal.id, change);
        return proposal;
      }

      it('brings new secrets into force, keeps the old ones beside them, and changes nothing else', async () => {
        const before = await install();
        const grant = await store.installations.findGrant(before.id);
        const webhooks = await store.installations.findWebhooks(before.id);
        const owed = call(before.id, 'scopesChanged');
        const narrowed = { id: newId(), scopes: ['repository'], resources: null };
        await store.installations.setGrant(before.id, narrowed, {
          at: T,
          subscriptions: [{ eventType: 'repo:push', webhookId: webhooks[0]!.id }],
          call: owed,
        });
        const standing = (await store.installations.find(before.id))!;
        const { secretHash } = (await store.clients.find(before.oauthClientId))!;
        const proposal = await rotated(standing);
        const row = (await store.installations.find(before.id))!;
        expect(row).to.deep.equal({
          ...standing,
          epoch: row.epoch,
          updatedAt: T + SECOND,
          acknowledgedSecrets: proposal.candidateSecrets,
          previousSecrets: before.acknowledgedSecrets,
          previousSecretsUntil: UNTIL,
        });
        expect(row.epoch).to.be.greaterThan(standing.epoch);
        const client = (await store.clients.find(before.oauthClientId))!;
        expect(client).to.deep.include({
          secretHash: proposal.oauthSecretHash,
          previous: { secretHash, until: UNTIL },
          handshake: null,
        });
        expect(await store.installations.findGrant(before.id)).to.deep.include({
          ...grant,
          id: narrowed.id,
        });
        expect(await store.installations.findWebhooks(before.id)).to.deep.equal(webhooks);
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([owed]);
      });

      it('bumps the epoch twice: with the call, and with the yes', async () => {
        const before = await install();
        const proposal = await begin(before);
        const { epoch } = (await store.installations.find(before.id))!;
        expect(store.deliveries.isCurrent(before.id, before.epoch)).to.equal(false);
        await store.installations.acceptRotation(proposal.id, { at: T, previousUntil: UNTIL });
        expect(store.deliveries.isCurrent(before.id, epoch)).to.equal(false);
      });

      it('moves the tokens of the call to the grant that stands', async () => {
        const before = await install();
        const grant = (await store.installations.findGrant(before.id))!;
        const old = await mint(grant.id, before.oauthClientId);
        const proposal = await begin(before);
        const during = await mint(proposal.grantId, before.oauthClientId);
        await store.installations.acceptRotation(proposal.id, { at: T, previousUntil: UNTIL });
        for (const hash of [old, during])
          expect((await store.tokens.check(hash))!.grant).to.deep.include({
            id: grant.id,
            until: null,
            handshakeDeadline: null,
          });
        expect(await store.installations.findHandshakeGrant(proposal.grantId)).to.equal(undefined);
      });

      it('keeps one generation: the next ends what the first has replaced', async () => {
        const first = await rotated(await install());
        const row = (await store.installations.find(first.installationId))!;
        const second = await rotated(row);
        expect(await store.installations.find(row.id)).to.deep.include({
          acknowledgedSecrets: second.candidateSecrets,
          previousSecrets: first.candidateSecrets,
        });
      });

      it('is not possible once it was cancelled, or too late', async () => {
        const before = await install();
        const proposal = await begin(before);
        const late = { at: proposal.deadline + 1, previousUntil: UNTIL };
        const codeOfRotation = (change: typeof late) =>
          codeOf(store.installations.acceptRotation(proposal.id, change));
        expect(await codeOfRotation(late)).to.equal('rotation_cancelled');
        expect(await codeOfRotation({ ...late, at: T })).to.equal('rotation_cancelled');
        expect(await store.installations.find(before.id)).to.deep.include({
          acknowledgedSecrets: before.acknowledgedSecrets,
          candidateSecrets: proposal.candidateSecrets,
          previousSecrets: null,
          previousSecretsUntil: null,
        });
        expect(await begin((await store.installations.find(before.id))!)).not.to.equal(undefined);
      });

      it('is not possible without a grant: nothing stands that could go on', async () => {
        const before = await install();
        const proposal = await begin(before);
        const grant = (await store.installations.findGrant(before.id))!;
        await store.grants.end(grant.id, T, 'revoked');
        const change = { at: T, previousUntil: UNTIL };
        expect(await codeOf(store.installations.acceptRotation(proposal.id, change))).to.equal(
          'rotation_cancelled',
        );
        expect(await store.installations.findHandshakeGrant(proposal.grantId)).to.equal(undefined);
      });

      const ends: [how: string, end: (row: InstallationRow) => Promise<unknown>][] = [
        ['an install', async (row) => accept(await begin(row))],
        ['an uninstall', (row) => store.installations.uninstall(row.id, T, undefined)],
        ['its time', () => store.installations.forgetPreviousSecrets(UNTIL)],
      ];
      for (const [how, end] of ends) {
        it(`is over with ${how}: the old ones are gone`, async () => {
          const { installationId } = await rotated(await install());
          await store.installations.forgetPreviousSecrets(UNTIL - 1);
          const row = (await store.installations.find(installationId))!;
          expect(row.previousSecrets).to.be.a('string');
          await end(row);
          const after = (await store.installations.find(installationId))!;
          expect(after).to.include({ previousSecrets: null, previousSecretsUntil: null });
          expect(after.epoch).to.be.greaterThan(row.epoch);
          expect((await store.clients.find(row.oauthClientId))!.previous).to.equal(null);
        });
      }
    });

    describe('a refused handshake', () => {
      it('leaves the previous grant in force, and keeps the candidate secret', async () => {
        const before = await install();
        const grant = await store.installations.findGrant(before.id);
        const token = await mint(grant!.id, before.oauthClientId);
        const proposal = await begin(before);
        const during = await mint(proposal.grantId, before.oauthClientId);
        await store.installations.refuseHandshake(proposal.id, T + SECOND);
        const row = (await store.installations.find(before.id))!;
        expect(row).to.include({
          state: 'enabled',
          descriptor: before.descriptor,
          descriptorVersion: 1,
          acknowledgedSecrets: before.acknowledgedSecrets,
          candidateSecrets: proposal.candidateSecrets,
        });
        expect(await store.installations.findGrant(row.id)).to.deep.equal(grant);
        expect((await store.tokens.check(token))!.grant.until).to.equal(null);
        expect((await store.tokens.check(during))!.grant.until).to.equal(T + SECOND);
        const client = (await store.clients.find(row.oauthClientId))!;
        expect(client.handshake).to.equal(null);
        expect(client.secretHash).not.to.deep.equal(proposal.oauthSecretHash);
      });

      it('leaves nothing installed when it was the first, but the candidate secret', async () => {
        const proposal = await begin();
        await store.installations.refuseHandshake(proposal.id, T);
        const row = (await store.installations.find(proposal.installationId))!;
        expect(row).to.include({
          state: 'uninstalled',
          descriptor: null,
          candidateSecrets: proposal.candidateSecrets,
        });
        expect(await store.installations.findGrant(row.id)).to.equal(undefined);
        expect(await store.installations.list({ limit: 10 })).to.deep.equal([]);
        expect((await accept(await begin(row))).state).to.equal('enabled');
      });

      it('cannot be accepted after all', async () => {
        const proposal = await begin();
        await store.installations.refuseHandshake(proposal.id, T);
        expect(await codeOf(accept(proposal))).to.equal('install_cancelled');
      });
    });

    describe('a handshake that is forgotten', () => {
      it('ends after its deadline, not before', async () => {
        const proposal = await begin();
        await store.installations.refuseForgottenHandshakes(proposal.deadline - 1);
        const find = () => store.installations.find(proposal.installationId);
        expect((await find())!.state).to.equal('pending');
        await store.installations.refuseForgottenHandshakes(proposal.deadline + 1);
        expect((await find())!.state).to.equal('uninstalled');
        expect(await store.installations.findHandshakeGrant(proposal.grantId)).to.equal(undefined);
      });

      it('does not stand in the way of the next after its deadline', async () => {
        const first = await begin();
        const row = (await store.installations.find(first.installationId))!;
        const second = await begin(row, {
          at: first.deadline + 1,
          deadline: first.deadline + 45 * SECOND,
        });
        expect(await codeOf(accept(first))).to.equal('install_cancelled');
        expect((await accept(second)).state).to.equal('enabled');
      });

      it('cannot be accepted once it was ended', async () => {
        const proposal = await begin();
        await store.installations.refuseForgottenHandshakes(proposal.deadline + 1);
        expect(await codeOf(accept(proposal))).to.equal('install_cancelled');
      });

      it('cannot be accepted after its deadline, though nobody has ended it yet', async () => {
        const proposal = await begin();
        const late = accept(proposal, { at: proposal.deadline + 1 });
        expect(await codeOf(late)).to.equal('install_cancelled');
      });
    });

    describe('a handshake cancelled by an uninstall', () => {
      it('cannot be accepted: nothing of a first install is in force', async () => {
        const proposal = await begin();
        expect(await store.installations.uninstall(proposal.installationId, T, undefined)).to.equal(
          true,
        );
        expect(await codeOf(accept(proposal))).to.equal('install_cancelled');
        const row = (await store.installations.find(proposal.installationId))!;
        expect(row.state).to.equal('uninstalled');
        expect(await store.installations.findGrant(row.id)).to.equal(undefined);
      });

      it('cannot be accepted: nothing of a re-install is in force', async () => {
        const proposal = await begin(await install());
        await store.installations.uninstall(proposal.installationId, T, undefined);
        expect(await codeOf(accept(proposal))).to.equal('install_cancelled');
        const row = (await store.installations.find(proposal.installationId))!;
        expect(row.state).to.equal('uninstalled');
        expect(await store.installations.findGrant(row.id)).to.equal(undefined);
        const client = (await store.clients.find(row.oauthClientId))!;
        expect(client).to.deep.include({ isEnabled: false, secretHash: null, handshake: null });
      });

      const endings: [string, (proposal: HandshakeProposal) => Promise<unknown>][] = [
        ['said yes', (proposal) => codeOf(accept(proposal))],
        ['said no', (proposal) => store.installations.refuseHandshake(proposal.id, T)],
      ];
      for (const [answered, end] of endings) {
        it(`does not hold up the next install once the add-on has ${answered}`, async () => {
          for (const before of [undefined, await install({ addonKey: 'other' })]) {
            const proposal = await begin(before);
            await store.installations.uninstall(proposal.installationId, T, undefined);
            await end(proposal);
            const row = (await store.installations.find(proposal.installationId))!;
            const next = proposalFor(row, { at: T + SECOND });
            expect(await store.installations.beginHandshake(next)).not.to.equal(undefined);
          }
        });
      }
    });

    describe('an uninstall', () => {
      it('ends grant, tokens, client, subscriptions and webhooks, and owes the goodbye', async () => {
        const row = await install();
        const grant = (await store.installations.findGrant(row.id))!;
        const token = await mint(grant.id, row.oauthClientId);
        const goodbye = call(row.id, 'uninstalled');
        const at = T + SECOND;
        expect(await store.installations.uninstall(row.id, at, goodbye)).to.equal(true);
        const after = (await store.installations.find(row.id))!;
        expect(after).to.include({ state: 'uninstalled', uninstalledAt: at });
        expect(await store.installations.findGrant(row.id)).to.equal(undefined);
        expect((await store.tokens.check(token))!.grant.until).to.equal(at);
        const client = (await store.clients.find(row.oauthClientId))!;
        expect(client).to.include({ isEnabled: false, secretHash: null });
        expect(await store.installations.findWebhooks(row.id)).to.deep.equal([]);
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([goodbye]);
        await publishAndFanOut(event({ createdAt: at + 1 }));
        expect(await owed(row.id, at + 1)).to.deep.equal([]);
      });

      it('happens once', async () => {
        const row = await install();
        await store.installations.uninstall(row.id, T, call(row.id, 'uninstalled'));
        const again = await store.installations.uninstall(row.id, T, call(row.id, 'uninstalled'));
        expect(again).to.equal(false);
        expect(await store.lifecycle.due(T, 10)).to.have.length(1);
      });

      it('keeps the secret that the add-on has acknowledged', async () => {
        const row = await install();
        await store.installations.uninstall(row.id, T, undefined);
        const after = (await store.installations.find(row.id))!;
        expect(after.acknowledgedSecrets).to.equal(row.acknowledgedSecrets);
      });

      it('is seen by the gate of a delivery that is owed already', async () => {
        const row = await install();
        await publishAndFanOut(event());
        const [delivery] = await owed(row.id);
        await store.deliveries.recipient(row.id);
        expect(store.deliveries.isCurrent(row.id, row.epoch)).to.equal(true);
        await store.installations.uninstall(row.id, T, undefined);
        expect(store.deliveries.isCurrent(row.id, row.epoch)).to.equal(false);
        const recipient = (await store.deliveries.recipient(row.id))!;
        expect(recipient.installation.state).to.equal('uninstalled');
        expect(recipient.grant).to.equal(undefined);
        expect(recipient.webhooks.get(delivery!.webhookId)!.until).to.equal(T);
      });
    });

    describe('a change of grant or state', () => {
      it('replaces the grant: tokens move, the epoch grows, the old grant is a closed line in the log', async () => {
        const row = await install();
        const old = (await store.installations.findGrant(row.id))!;
        const token = await mint(old.id, row.oauthClientId);
        const changed = await store.installations.setGrant(
          row.id,
          { id: newId(), scopes: ['issue'], resources: ['acme/site'] },
          { at: T + SECOND, subscriptions: [] },
        );
        expect(changed!.epoch).to.be.greaterThan(row.epoch);
        const grant = (await store.installations.findGrant(row.id))!;
        expect(grant).to.deep.include({ scopes: ['issue'], resources: ['acme/site'] });
        const check = (await store.tokens.check(token))!;
        expect(check.grant).to.deep.include({ id: grant.id, resources: ['acme/site'] });
        expect(check.scopes).to.deep.equal(['repository']);
      });

      it('of an installation that is not installed is not made', async () => {
        const row = await install();
        await store.installations.uninstall(row.id, T, undefined);
        const change = { at: T, subscriptions: [], call: call(row.id, 'disabled') };
        const grant = { id: newId(), scopes: [], resources: null };
        expect(await store.installations.setGrant(row.id, grant, change)).to.equal(undefined);
        expect(await store.installations.setState(row.id, 'disabled', change)).to.equal(undefined);
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([]);
      });

      it('disables and enables, and the gate sees both', async () => {
        const row = await install();
        const change = { at: T, subscriptions: [] };
        await store.deliveries.recipient(row.id);
        expect(store.deliveries.isCurrent(row.id, row.epoch)).to.equal(true);
        const disabled = (await store.installations.setState(row.id, 'disabled', change))!;
        expect(disabled.state).to.equal('disabled');
        expect(store.deliveries.isCurrent(row.id, row.epoch)).to.equal(false);
        const enabled = (await store.installations.setState(row.id, 'enabled', change))!;
        expect(enabled.state).to.equal('enabled');
        expect(enabled.epoch).to.be.greaterThan(disabled.epoch);
      });
    });

    describe('installations', () => {
      it('are found by id, by add-on and context, and by clientKey', async () => {
        const row = await install();
        const elsewhere = await install({ context: 'globex' });
        expect(await store.installations.findByAddon('addon', 'acme')).to.deep.equal(row);
        expect(await store.installations.findByClientKey(row.clientKey)).to.deep.equal(row);
        expect(await store.installations.findByAddon('addon', 'nowhere')).to.equal(undefined);
        const all = await store.installations.findOthers('addon');
        expect(all.map(({ id }) => id)).to.have.members([row.id, elsewhere.id]);
      });

      it('are not found by a text that none can have', async () => {
        expect(await store.installations.findByClientKey('\u0000')).to.equal(undefined);
        expect(await store.clients.find('\u0000')).to.equal(undefined);
        expect(await store.consumers.list({ ownerUser: '\u0000', limit: 9 })).to.deep.equal([]);
      });

      it('are listed in pages, newest first, each once, uninstalled ones when asked for', async () => {
        const ids: string[] = [];
        for (const context of ['a', 'b', 'c', 'd', 'e']) ids.push((await install({ context })).id);
        await store.installations.uninstall(ids[2]!, T, undefined);
        const seen: string[] = [];
        for (let after: string | undefined; ; after = seen.at(-1)) {
          const page = await store.installations.list({ after, limit: 2 });
          if (page.length === 0) break;
          seen.push(...page.map(({ id }) => id));
        }
        expect(seen).to.deep.equal([ids[4], ids[3], ids[1], ids[0]]);
        const gone = await store.installations.list({ state: 'uninstalled', limit: 10 });
        expect(gone.map(({ id }) => id)).to.deep.equal([ids[2]]);
      });

      it('remember which platform definition they were told of events by', async () => {
        expect(await store.installations.isPlatformKnown('digest')).to.equal(false);
        await store.installations.rememberPlatform('digest');
        expect(await store.installations.isPlatformKnown('digest')).to.equal(true);
        await store.installations.rememberPlatform('another');
        expect(await store.installations.isPlatformKnown('digest')).to.equal(false);
      });
    });

    describe('a grant by a user', () => {
      const CLIENT = 'mcc_consumer';

      beforeEach(async () => {
        await store.consumers.create({
          id: CLIENT,
          name: 'Consumer',
          redirectUris: [],
          eventsUri: 'https://client.example/events',
          scopes: ['repository', 'issue'],
          isPublic: false,
          ownerContext: 'acme',
          ownerUser: null,
          secretHash: sha256('secret'),
          oauth1Secret: 'sealed',
          ownGrantId: undefined,
          createdAt: T,
        });
      });

      const plan = (basedOn: string | null, scopes = ['repository']) => ({
        id: newId(),
        clientId: CLIENT,
        userId: 'alice',
        scopes,
        resources: null,
        basedOn,
      });
      const code = () => ({
        codeHash: sha256(newId()),
        redirectUri: null,
        codeChallenge: null,
        scopes: ['repository'],
        createdAt: T,
        expiresAt: T + HOUR,
      });
      const redeem = (codeHash: Buffer) =>
        store.authorization.redeemCode({
          codeHash,
          clientId: CLIENT,
          familyId: newId(),
          familyExpiresAt: null,
          accessTokenHash: sha256(newId()),
          refreshTokenHash: sha256(newId()),
          createdAt: T,
          accessExpiresAt: T + HOUR,
          refreshExpiresAt: T + HOUR,
          within: (scopes) => scopes,
          check: () => undefined,
        });
      const inForce = async () => (await store.grants.findOfUser('alice', CLIENT))?.id;
      /** As a user answers a consumer of OAuth 1.0a. */
      const allow = async (grant: ReturnType<typeof plan>) => {
        const tokenHash = sha256(newId());
        await store.oauth1.createRequestToken({
          tokenHash,
          clientId: CLIENT,
          secret: 'sealed',
          callback: 'oob',
          createdAt: T,
          expiresAt: T + HOUR,
        });
        const granted = await store.oauth1.allow(tokenHash, sha256('v'), grant, T);
        return {
          granted,
          isAllowed: (await store.oauth1.findRequestToken(tokenHash, T))!.isAllowed,
        };
      };

      it('is made in place of the one it was planned from, and gives a code', async () => {
        const first = plan(null);
        expect(await store.authorization.grantAndIssueCode(first, code())).to.equal('granted');
        const second = plan(first.id);
        const given = code();
        expect(await store.authorization.grantAndIssueCode(second, given)).to.equal('granted');
        expect(await inForce()).to.equal(second.id);
        expect((await redeem(given.codeHash)).kind).to.equal('redeemed');
      });

      // Each a moment between the plan and the write. Seen red with the comparison taken out of grantByUser.
      const meanwhile: [title: string, change: (id: string) => Promise<unknown>][] = [
        ['taken back', (id) => store.grants.end(id, T, 'revoked_by_user')],
        ['narrowed', (id) => store.grants.narrow(id, newId(), ['issue'], T)],
        ['replaced', (id) => store.authorization.grantAndIssueCode(plan(id, ['issue']), code())],
      ];
      for (const [title, change] of meanwhile) {
        it(`writes nothing when that one was ${title} meanwhile`, async () => {
          const first = plan(null, ['repository', 'issue']);
          await store.authorization.grantAndIssueCode(first, code());
          await change(first.id);
          const left = await inForce();
          const given = code();
          expect(await store.authorization.grantAndIssueCode(plan(first.id), given)).to.equal(
            'changed',
          );
          expect(await inForce()).to.equal(left);
          expect((await redeem(given.codeHash)).kind).to.equal('refused');
          expect(await allow(plan(first.id))).to.deep.equal({
            granted: 'changed',
            isAllowed: false,
          });
          expect(await inForce()).to.equal(left);
        });
      }

      it('writes nothing when there was none, and is one now', async () => {
        const first = plan(null);
        await store.authorization.grantAndIssueCode(first, code());
        expect(await store.authorization.grantAndIssueCode(plan(null), code())).to.equal('changed');
        expect(await inForce()).to.equal(first.id);
      });

      it('has one winner of two that were planned from the same', async () => {
        const answers = await Promise.all(
          [plan(null), plan(null)].map((one) => store.authorization.grantAndIssueCode(one, code())),
        );
        expect(answers.sort()).to.deep.equal(['changed', 'granted']);
      });

      it('is not made for a user who was deactivated meanwhile', async () => {
        await store.grants.deactivateUser('alice', T);
        expect(await store.authorization.grantAndIssueCode(plan(null), code())).to.equal(
          'user-deactivated',
        );
        expect(await allow(plan(null))).to.deep.equal({
          granted: 'user-deactivated',
          isAllowed: false,
        });
        expect(await inForce()).to.equal(undefined);
      });

      it('that ends owes its client word in that moment, once', async () => {
        const grant = plan(null);
        await store.authorization.grantAndIssueCode(grant, code());
        expect(await store.securityEvents.due(T, 10)).to.deep.equal([]);
        await store.grants.end(grant.id, T, 'revoked_by_user');
        const [event, ...others] = await store.securityEvents.due(T, 10);
        expect(others).to.deep.equal([]);
        expect(event).to.deep.include({
          id: grant.id,
          clientId: CLIENT,
          userId: 'alice',
          scopes: [],
          attempts: 0,
          eventsUri: 'https://client.example/events',
        });
        await store.grants.end(grant.id, T, 'revoked_by_user');
        await opened.reopen();
        store = opened.store;
        expect((await store.securityEvents.due(T, 10)).map(({ id }) => id)).to.deep.equal([
          grant.id,
        ]);
        expect(await store.securityEvents.nextDueAt()).to.equal(T);
        const attempt = {
          number: 1,
          at: T,
          url: 'https://client.example/events',
          status: 500,
          errorCode: null,
          message: null,
          excerpt: '',
          durationMs: 1,
        };
        await store.securityEvents.record(grant.id, { state: 'owed', dueAt: T + SECOND }, attempt);
        expect(await store.securityEvents.due(T, 10)).to.deep.equal([]);
        expect(await store.securityEvents.nextDueAt()).to.equal(T + SECOND);
        const again = { ...attempt, number: 2, status: 202 };
        await store.securityEvents.record(grant.id, { state: 'accepted' }, again);
        expect(await store.securityEvents.due(T + HOUR, 10)).to.deep.equal([]);
        expect(await store.securityEvents.find(grant.id)).to.deep.include({
          state: 'accepted',
          attempts: 2,
          log: [attempt, again],
        });
      });

      it('gives refresh tokens that are known until they expire, and their family as long as one of them', async () => {
        const given = code();
        await store.authorization.grantAndIssueCode(plan(null), given);
        const [first, second] = [sha256('first'), sha256('second')];
        const end = T + 10 * DAY;
        await store.authorization.redeemCode({
          codeHash: given.codeHash,
          clientId: CLIENT,
          familyId: newId(),
          familyExpiresAt: null,
          accessTokenHash: sha256(newId()),
          refreshTokenHash: first,
          createdAt: T,
          accessExpiresAt: T + HOUR,
          refreshExpiresAt: end,
          within: (scopes) => scopes,
          check: () => undefined,
        });
        const rotate = async (tokenHash: Buffer, refreshTokenHash: Buffer, at: number) => {
          const { kind } = await store.authorization.rotate({
            tokenHash,
            clientId: CLIENT,
            accessTokenHash: sha256(newId()),
            refreshTokenHash,
            createdAt: at,
            accessExpiresAt: at + HOUR,
            refreshExpiresAt: at + 10 * DAY,
            hasGrace: false,
            graceMs: 0,
            narrow: (scopes) => ({ scopes }),
          });
          return kind;
        };
        expect(await rotate(first, second, T + 9 * DAY)).to.equal('rotated');
        expect((await sweep(end + DAY)).oauth_refresh_tokens).to.equal(undefined);
        expect((await sweep(end + DAY + 1)).oauth_refresh_tokens).to.equal(1);
        // The family goes on with the second, and the first that comes again is unknown, not a thief's.
        expect(await rotate(first, sha256(newId()), end + DAY + 1)).to.equal('refused');
        expect(await rotate(second, sha256('third'), end + DAY + 1)).to.equal('rotated');
        expect(await rotate(second, sha256(newId()), end + DAY + 2)).to.equal('reused');
        expect((await sweep(T + 100 * DAY)).oauth_refresh_tokens).to.equal(2);
        expect((await sweep(T + 100 * DAY)).oauth_refresh_tokens).to.equal(undefined);
      });

      it('that ended long ago is not told of any more, nor kept as told; one still owed is', async () => {
        const [told, owed] = [plan(null), { ...plan(null), userId: 'bob' }];
        for (const grant of [told, owed]) {
          await store.authorization.grantAndIssueCode(grant, code());
          await store.grants.end(grant.id, T, 'revoked_by_user');
        }
        await store.securityEvents.record(
          told.id,
          { state: 'accepted' },
          {
            number: 1,
            at: T,
            url: 'https://client.example/events',
            status: 202,
            errorCode: null,
            message: null,
            excerpt: '',
            durationMs: 1,
          },
        );
        await sweep(T + 40 * DAY, T);
        expect(await store.securityEvents.find(told.id)).not.to.equal(undefined);
        const swept = await sweep(T + 40 * DAY, T + 1);
        expect(swept).to.include({ security_events: 1, security_event_attempts: 1 });
        expect(await store.securityEvents.find(told.id)).to.equal(undefined);
        expect(await store.securityEvents.find(owed.id)).not.to.equal(undefined);
      });

      it('owes word to one client at a time, of the user that is due first', async () => {
        for (const [userId, at] of [
          ['bob', T + SECOND],
          ['alice', T],
        ] as const) {
          const grant = { ...plan(null), userId };
          await store.authorization.grantAndIssueCode(grant, code());
          await store.grants.end(grant.id, at, 'revoked_by_user');
        }
        const due = await store.securityEvents.due(T + HOUR, 10);
        expect(due.map(({ userId }) => userId)).to.deep.equal(['alice']);
      });

      it('to act as a user is not made for one who was deactivated meanwhile', async () => {
        const installation = await install();
        const own = (await store.installations.findGrant(installation.id))!;
        await store.grants.deactivateUser('alice', T);
        expect(await store.grants.actAs(own, 'alice', newId(), T)).to.equal(undefined);
      });

      it('to act as a user is not made from a grant that was replaced meanwhile', async () => {
        const { id } = await install({ scopes: ['repository', 'issue'] });
        const own = (await store.installations.findGrant(id))!;
        const narrower = { id: newId(), scopes: ['issue'], resources: null };
        await store.installations.setGrant(id, narrower, { at: T, subscriptions: [] });
        expect(await store.grants.actAs(own, 'alice', newId(), T)).to.equal(undefined);
        const now = (await store.installations.findGrant(id))!;
        const acting = await store.grants.actAs(now, 'alice', newId(), T);
        expect(acting).to.deep.include({ kind: 'act_as_user', userId: 'alice', scopes: ['issue'] });
        expect(
          (await store.grants.list({ userId: 'alice', limit: 9 })).map((g) => g.id),
        ).to.deep.equal([acting!.id]);
      });

      it('of an add-on owes it word too, if its descriptor has an address, and shows its name', async () => {
        const told =
          '{"name":"Told \\u0000 by \\ud800","lifecycle":{"authorizationRevoked":"/revoked"}}';
        for (const [addonKey, descriptor, isTold] of [
          ['told', told, true],
          ['untold', '{"name":"Untold"}', false],
        ] as const) {
          const { id } = await install({
            addonKey,
            descriptor,
            baseUrl: `https://${addonKey}.example`,
          });
          const own = (await store.installations.findGrant(id))!;
          const acting = (await store.grants.actAs(own, `user of ${addonKey}`, newId(), T))!;
          expect((await store.grants.find(acting.id))!.consumerName).to.match(
            isTold ? /^Told/ : /^Untold$/,
          );
          expect(await store.grants.end(acting.id, T, 'revoked_by_user')).to.equal(true);
          const due = await store.securityEvents.due(T, 10);
          expect(due.some((event) => event.id === acting.id)).to.equal(isTold);
        }
      });
    });

    describe('an access token', () => {
      it('is checked with its grant and installation as they are now', async () => {
        const row = await install({ resources: ['acme/site'] });
        const grant = (await store.installations.findGrant(row.id))!;
        const hash = await mint(grant.id, row.oauthClientId);
        const check = (await store.tokens.check(hash))!;
        expect(check).to.deep.include({
          clientId: row.oauthClientId,
          scopes: ['repository'],
          resources: null,
          expiresAt: T + HOUR,
          revokedAt: null,
        });
        const { handshakeDeadline, ...granted } = check.grant;
        expect(grant).to.deep.include(granted);
        expect(handshakeDeadline).to.equal(null);
        expect(row).to.deep.include(check.installation);
        await store.installations.setState(row.id, 'disabled', { at: T, subscriptions: [] });
        expect((await store.tokens.check(hash))!.installation!.state).to.equal('disabled');
      });

      it('of a handshake names its deadline', async () => {
        const proposal = await begin();
        const hash = await mint(proposal.grantId, proposal.oauthClientId);
        const check = (await store.tokens.check(hash))!;
        expect(check.grant.handshakeDeadline).to.equal(proposal.deadline);
        expect(check.installation!.state).to.equal('pending');
      });

      it('is revoked once, at the first time', async () => {
        const row = await install();
        const grant = (await store.installations.findGrant(row.id))!;
        const hash = await mint(grant.id, row.oauthClientId);
        await store.tokens.revoke(hash, T + 1);
        await store.tokens.revoke(hash, T + 2);
        expect((await store.tokens.check(hash))!.revokedAt).to.equal(T + 1);
      });

      it('that nobody minted is unknown', async () => {
        expect(await store.tokens.check(sha256('nobody'))).to.equal(undefined);
      });
    });

    // Seen red: without the conditions in the statements, which a restart leaves alone with it.
    describe('a consent', () => {
      const idHash = sha256('consent');
      const sessionHash = sha256('session');
      const consent = (own = {}) => ({
        idHash,
        clientId: 'c',
        userId: 'alice',
        sessionHash,
        request: '{}',
        createdAt: T,
        expiresAt: T + 100,
        ...own,
      });

      it('is taken once, by its user, in its session, in its time', async () => {
        await store.consents.open(consent());
        const take = (user: string, session: Buffer, now: number) =>
          store.consents.take(idHash, user, session, now);
        expect(await take('bob', sessionHash, T)).to.equal(undefined);
        expect(await take('alice', sha256('another'), T)).to.equal(undefined);
        expect(await take('alice', sessionHash, T + 100)).to.equal(undefined);
        expect(await store.consents.find(idHash, T + 99)).to.deep.equal(consent());
        expect(await store.consents.find(idHash, T + 100)).to.equal(undefined);
        expect(await take('alice', sessionHash, T + 99)).to.deep.equal(consent());
        expect(await take('alice', sessionHash, T + 99)).to.equal(undefined);
        expect(await store.consents.find(idHash, T + 99)).to.equal(undefined);
      });

      it('is let go of by later ones when its time is over', async () => {
        await store.consents.open(consent());
        await store.consents.open(consent({ idHash: sha256('later'), createdAt: T + 101 }));
        expect(await store.consents.find(idHash, T)).to.equal(undefined);
      });
    });

    describe('a session', () => {
      const session = (own = {}) => ({
        idHash: sha256('browser'),
        userId: 'alice',
        userName: 'Alice',
        isOperator: true,
        issuer: null,
        createdAt: T,
        expiresAt: T + 100,
        ...own,
      });

      it('is found until it ends, or its time is over, or its user is deactivated', async () => {
        const [ended, stays] = [sha256('ended'), sha256('stays')];
        await store.sessions.open(session());
        await store.sessions.open(
          session({ idHash: ended, isOperator: false, issuer: 'https://id.example' }),
        );
        await store.sessions.open(session({ idHash: stays, userId: 'bob' }));
        expect(await store.sessions.find(sha256('browser'), T)).to.deep.equal(session());
        expect(await store.sessions.find(ended, T)).to.include({
          isOperator: false,
          issuer: 'https://id.example',
        });
        expect(await store.sessions.find(sha256('browser'), T + 100)).to.equal(undefined);
        await store.sessions.end(ended);
        expect(await store.sessions.find(ended, T)).to.equal(undefined);
        await store.grants.deactivateUser('alice', T);
        expect(await store.sessions.find(sha256('browser'), T)).to.equal(undefined);
        expect(await store.sessions.find(stays, T)).not.to.equal(undefined);
      });

      it('begins with a sign-in, the last of its browser, taken once in its time', async () => {
        const signIn = (state: string) => ({
          sessionHash: sha256('browser'),
          stateHash: sha256(state),
          sealed: `sealed ${state}`,
          returnTo: '/account',
          expiresAt: T + 100,
        });
        const take = (state: string, now = T) =>
          store.sessions.takeSignIn(sha256('browser'), sha256(state), now);
        await store.sessions.beginSignIn(signIn('first'), T);
        await store.sessions.beginSignIn(signIn('second'), T);
        expect(await take('first')).to.equal(undefined);
        expect(await take('second', T + 100)).to.equal(undefined);
        expect(await take('second')).to.deep.equal(signIn('second'));
        expect(await take('second')).to.equal(undefined);
      });
    });

    describe('a consumer', () => {
      const consumer = (own = {}) => ({
        id: newId(),
        name: 'Consumer',
        redirectUris: ['https://client.example/callback'],
        eventsUri: null,
        scopes: ['repository'] as string[] | null,
        isPublic: false,
        ownerContext: 'acme',
        ownerUser: null as string | null,
        secretHash: sha256('secret'),
        oauth1Secret: 'sealed' as string | null,
        ownGrantId: newId(),
        createdAt: T,
        ...own,
      });

      it('is kept as it is given, with the grant under which it acts for its owner', async () => {
        for (const scopes of [['repository'], [], null]) {
          const given = consumer({ scopes });
          const { secretHash, oauth1Secret: _, ownGrantId, ...kept } = given;
          const created = await store.consumers.create(given);
          expect(created).to.deep.equal({ ...kept, isOauth1: true, updatedAt: null });
          expect(await store.consumers.find(given.id)).to.deep.equal(created);
          const client = await store.clients.find(given.id);
          expect(client).to.deep.include({ kind: 'consumer', secretHash, previous: null, scopes });
          expect(client).to.deep.include({ isPublic: false, isEnabled: true, handshake: null });
          const own = await store.grants.findOwn(given.id);
          expect(own).to.deep.include({ id: ownGrantId, context: 'acme', scopes: scopes ?? [] });
          expect((await store.grants.find(ownGrantId))!.isGrandfathered).to.equal(scopes === null);
        }
      });

      it('is listed newest first, in pages, each once, for all or for its owner', async () => {
        const ids: string[] = [];
        for (const ownerUser of ['alice', null, 'alice', 'alice']) {
          ids.unshift((await store.consumers.create(consumer({ ownerUser, createdAt: T }))).id);
        }
        const list = (query: { ownerUser?: string; after?: string }, limit = 2) =>
          store.consumers.list({ ...query, limit }).then((rows) => rows.map(({ id }) => id));
        expect(await list({})).to.deep.equal(ids.slice(0, 2));
        expect(await list({ after: ids[1] })).to.deep.equal(ids.slice(2));
        expect(await list({ ownerUser: 'alice' }, 9)).to.deep.equal([ids[0], ids[1], ids[3]]);
      });

      it('that changes keeps what is not said; other scopes mean another grant', async () => {
        const given = consumer({ ownerUser: 'alice' });
        await store.consumers.create(given);
        const renamed = await store.consumers.change(
          given.id,
          { name: 'New', ownGrantId: newId() },
          T + 1,
        );
        expect(renamed).to.deep.include({
          name: 'New',
          scopes: ['repository'],
          updatedAt: T + 1,
          isOauth1: true,
        });
        expect((await store.grants.findOwn(given.id))!.id).to.equal(given.ownGrantId);
        const ownGrantId = newId();
        const change = {
          scopes: ['issue'],
          eventsUri: 'https://c.example/e',
          closesOauth1: true,
          ownGrantId,
        };
        const changed = await store.consumers.change(given.id, change, T + 2);
        expect(changed).to.deep.include({
          name: 'New',
          scopes: ['issue'],
          eventsUri: 'https://c.example/e',
        });
        expect(changed!.isOauth1).to.equal(false);
        expect(await store.grants.findOwn(given.id)).to.deep.include({
          id: ownGrantId,
          scopes: ['issue'],
        });
        expect(await store.grants.find(given.ownGrantId)).to.equal(undefined);
        expect(await store.consumers.change(newId(), { ownGrantId }, T)).to.equal(undefined);
      });

      it('keeps the old secret beside the new one until its time is over, a public one has none', async () => {
        const given = consumer();
        await store.consumers.create(given);
        const secret = { hash: sha256('new'), oauth1: 'sealed anew' };
        expect(await store.consumers.rotateSecret(given.id, secret, T, T + 100)).to.equal(true);
        expect(await store.clients.find(given.id)).to.deep.include({
          secretHash: secret.hash,
          previous: { secretHash: given.secretHash, until: T + 100 },
        });
        await store.installations.forgetPreviousSecrets(T + 99);
        expect((await store.clients.find(given.id))!.previous).not.to.equal(null);
        await store.installations.forgetPreviousSecrets(T + 100);
        expect((await store.clients.find(given.id))!.previous).to.equal(null);
        const open = consumer({
          isPublic: true,
          secretHash: null,
          oauth1Secret: null,
          ownGrantId: undefined,
        });
        await store.consumers.create(open);
        expect(await store.consumers.rotateSecret(open.id, secret, T, T + 100)).to.equal(false);
      });

      it('that is removed is gone, with every grant to it, and its client cannot be used', async () => {
        const given = consumer();
        await store.consumers.create(given);
        expect(await store.consumers.remove(given.id, T)).to.equal(true);
        expect(await store.consumers.remove(given.id, T)).to.equal(false);
        expect(await store.consumers.find(given.id)).to.equal(undefined);
        expect(await store.consumers.list({ limit: 9 })).to.deep.equal([]);
        expect(await store.grants.find(given.ownGrantId)).to.equal(undefined);
        expect(await store.clients.find(given.id)).to.deep.include({
          isEnabled: false,
          secretHash: null,
        });
      });
    });

    describe('a use', () => {
      const minute = 60 * SECOND;

      it('of a grant is written at most once a minute, also after a restart', async () => {
        const row = await install();
        const { id } = (await store.installations.findGrant(row.id))!;
        const use = (at: number) => store.grants.noteUse(id, at, `from ${at}`);
        const last = async () => {
          const { lastUsedAt, lastUsedFrom } = (await store.grants.find(id))!;
          return { lastUsedAt, lastUsedFrom };
        };
        await use(T);
        await use(T + minute - 1);
        await opened.reopen();
        store = opened.store;
        await use(T + minute - 1);
        expect(await last()).to.deep.equal({ lastUsedAt: T, lastUsedFrom: `from ${T}` });
        await use(T + 2 * minute);
        expect((await last()).lastUsedAt).to.equal(T + 2 * minute);
      });

      it('of a scope is written at most once a minute, also after a restart', async () => {
        const use = (scope: string, at: number) => store.usedScopes.note('client', scope, at);
        await use('wiki', T);
        await use('wiki', T + minute - 1);
        await opened.reopen();
        store = opened.store;
        await use('wiki', T + minute - 1);
        await use('issue', T + 1);
        expect(await store.usedScopes.list('client')).to.deep.equal([
          { scope: 'issue', lastUsedAt: T + 1 },
          { scope: 'wiki', lastUsedAt: T },
        ]);
        await use('wiki', T + 2 * minute);
        const [, wiki] = await store.usedScopes.list('client');
        expect(wiki!.lastUsedAt).to.equal(T + 2 * minute);
      });
    });

    describe('the install key', () => {
      it('is the first one added, whoever comes second', async () => {
        const key = (kid: string) => ({
          kid,
          publicPem: `public ${kid}`,
          privateSealed: `sealed ${kid}`,
          createdAt: T,
        });
        const [a, b] = await Promise.all([
          store.installKeys.addFirst(key('a')),
          store.installKeys.addFirst(key('b')),
        ]);
        expect(a).to.deep.equal(b);
        expect(await store.installKeys.list()).to.deep.equal([a]);
      });
    });

    describe('publishing', () => {
      it('keeps the event as it is given', async () => {
        const row = event({
          resource: 'acme/site',
          actor: 'alice',
          payload: Buffer.from('{"a":"é"}'),
        });
        expect(await store.events.publish([row])).to.deep.equal([row.id]);
        expect(await store.events.find(row.id)).to.deep.equal(row);
        expect(await store.events.find(newId())).to.equal(undefined);
      });

      it('under a key again with the same body gives the same id, and no second event', async () => {
        const row = await install();
        const first = keyed('k', 'body');
        const second = keyed('k', 'body', { createdAt: T + HOUR });
        expect(await store.events.publish([first])).to.deep.equal([first.id]);
        expect(await store.events.publish([second])).to.deep.equal([first.id]);
        expect(await store.events.find(second.id)).to.equal(undefined);
        await fanOutAll();
        expect(await owed(row.id)).to.have.length(1);
      });

      it('under a key again with another body is a conflict, and writes nothing', async () => {
        await store.events.publish([keyed('k', 'body')]);
        const other = keyed('k', 'another body');
        expect(await codeOf(store.events.publish([other]))).to.equal('idempotency_conflict');
        expect(await store.events.find(other.id)).to.equal(undefined);
      });

      it('under the same key in another context is another event', async () => {
        const here = keyed('k', 'body');
        const there = keyed('k', 'another body', { context: 'globex' });
        expect(await store.events.publish([here])).to.deep.equal([here.id]);
        expect(await store.events.publish([there])).to.deep.equal([there.id]);
      });

      it('may use a key again when it has expired', async () => {
        await store.events.publish([keyed('k', 'body')]);
        const before = keyed('k', 'new body', { createdAt: T + 7 * 24 * HOUR - 1 });
        expect(await codeOf(store.events.publish([before]))).to.equal('idempotency_conflict');
        const after = keyed('k', 'new body', { createdAt: T + 7 * 24 * HOUR });
        expect(await store.events.publish([after])).to.deep.equal([after.id]);
        const again = keyed('k', 'new body', { createdAt: T + 7 * 24 * HOUR + 1 });
        expect(await store.events.publish([again])).to.deep.equal([after.id]);
      });

      it('of a batch with one conflict writes nothing at all, not even its keys', async () => {
        const row = await install();
        await store.events.publish([keyed('taken', 'body')]);
        const batch = [event(), keyed('free', 'body'), keyed('taken', 'another body'), event()];
        expect(await codeOf(store.events.publish(batch))).to.equal('idempotency_conflict');
        for (const { id } of batch) expect(await store.events.find(id)).to.equal(undefined);
        await fanOutAll();
        expect(await owed(row.id)).to.have.length(1);
        const free = keyed('free', 'quite another body');
        expect(await store.events.publish([free])).to.deep.equal([free.id]);
      });

      it('of a batch that repeats itself gives one id for both', async () => {
        const [a, b] = [keyed('k', 'body'), keyed('k', 'body')];
        expect(await store.events.publish([a, b])).to.deep.equal([a.id, a.id]);
      });

      it('of one that fails takes no other with it', async () => {
        await store.events.publish([keyed('k', 'body')]);
        const good = [event(), event(), event()];
        const [first, failed, ...others] = await Promise.allSettled([
          store.events.publish([good[0]!]),
          store.events.publish([keyed('k', 'another body')]),
          store.events.publish([good[1]!]),
          store.events.publish([good[2]!]),
        ]);
        expect(failed.status).to.equal('rejected');
        for (const result of [first, ...others]) expect(result.status).to.equal('fulfilled');
        for (const { id } of good) expect(await store.events.find(id)).not.to.equal(undefined);
      });
    });

    describe('fan-out', () => {
      it('owes an event to the subscribed webhooks of its context, each once', async () => {
        const here = await install({ addonKey: 'here' });
        const there = await install({ addonKey: 'there', context: 'globex' });
        const deaf = await install({ addonKey: 'deaf' }, { types: ['issue:created'] });
        const row = event();
        await store.events.publish([row]);
        const told = await store.events.fanOut(64, T, HOUR);
        const [delivery, ...more] = await owed(here.id);
        expect(told).to.deep.equal({ owed: [delivery], events: 1, isHolding: false });
        expect(more).to.deep.equal([]);
        expect(delivery).to.deep.include({
          installationId: here.id,
          webhookId: webhook(here.id).id,
          eventId: row.id,
          eventType: 'repo:push',
          attempts: 0,
          dueAt: T,
          expiresAt: T + HOUR,
        });
        for (const { id } of [there, deaf]) expect(await owed(id)).to.deep.equal([]);
        expect(await store.events.fanOut(64, T, HOUR)).to.deep.equal({
          owed: [],
          events: 0,
          isHolding: false,
        });
        expect(await owed(here.id)).to.have.length(1);
      });

      it('keeps events without the resource, or without any, from a grant that is limited', async () => {
        const limited = await install({ resources: ['acme/site'] });
        const none = await install({ addonKey: 'none', resources: [] });
        const free = await install({ addonKey: 'free' });
        const events = [null, 'acme/site', 'acme/other'].map((resource) => event({ resource }));
        await publishAndFanOut(...events);
        const idsOf = async (id: string) => (await owed(id)).map(({ eventId }) => eventId);
        expect(await idsOf(limited.id)).to.deep.equal([events[1]!.id]);
        expect(await idsOf(none.id)).to.deep.equal([]);
        expect(await idsOf(free.id)).to.have.members(events.map(({ id }) => id));
      });

      it('goes on where it stopped when it is killed between two chunks', async () => {
        const expected: string[] = [];
        const row = event();
        const installOne = async (i: number) => {
          const proposal = await begin(undefined, { addonKey: `addon-${i}` });
          const { installationId } = proposal;
          const webhooks = [webhook(installationId)];
          if (i % 10 === 0) webhooks.push(webhook(installationId, 'repo:push', '/second'));
          for (const { id } of webhooks) expected.push(`${row.id} ${installationId} ${id}`);
          await accept(proposal, { webhooks });
        };
        // Of all at once, the last would wait too long for a connection.
        for (let i = 0; i < 520; i += 40)
          await Promise.all(Array.from({ length: 40 }, (_, k) => installOne(i + k)));
        await store.events.publish([row]);
        const first = await store.events.fanOut(1, T, HOUR);
        expect(new Set(first.owed.map((d) => d.installationId)).size).to.be.within(1, 519);
        // What is delivered in between is not owed again.
        const [done] = await owed(first.owed[0]!.installationId);
        await store.deliveries.record({ attempts: [attempted(done!, { outcome: 'delivered' })] });
        await opened.reopen();
        store = opened.store;
        for (let rounds = 0; (await store.events.fanOut(1, T, HOUR)).events > 0; rounds++) {
          expect(rounds).to.be.lessThan(20);
          await opened.reopen();
          store = opened.store;
        }
        const deliveries = await listAll();
        expect(
          deliveries.map((d) => `${d.eventId} ${d.installationId} ${d.webhookId}`),
        ).to.have.members(expected);
        expect(new Set(deliveries.map(({ id }) => id)).size).to.equal(expected.length);
        expect(deliveries.filter(({ state }) => state === 'delivered')).to.have.length(1);
        const stillOwed = await owed(done!.installationId);
        expect(stillOwed.map(({ id }) => id)).not.to.include(done!.id);
      });

      it('gives a delivery the same id whenever it is made', async () => {
        const row = await install();
        const published = event();
        await publishAndFanOut(published);
        const [delivery] = await owed(row.id);
        const other = await open();
        try {
          const own = store;
          store = other.store;
          await install({ installationId: row.id });
          await publishAndFanOut(published);
          expect((await owed(row.id)).map(({ id }) => id)).to.deep.equal([delivery!.id]);
          store = own;
        } finally {
          await other.close();
        }
      });
    });

    describe('an event published before it was granted', () => {
      it('is not owed to an add-on that is installed later', async () => {
        await store.events.publish([event({ createdAt: T - 1 })]);
        const row = await install();
        await fanOutAll();
        expect(await owed(row.id)).to.deep.equal([]);
      });

      it('is owed to who was there before, whatever the clocks say', async () => {
        const row = await install({
          at: T + HOUR,
          deadline: T + 2 * HOUR,
          resources: ['acme/site'],
        });
        const afterwards = event({ createdAt: T, resource: 'acme/site' });
        await store.events.publish([afterwards]);
        await fanOutAll();
        const [delivery] = await owed(row.id);
        expect(delivery!.eventId).to.equal(afterwards.id);
        const hook = (await store.deliveries.recipient(row.id))!.webhooks.get(delivery!.webhookId)!;
        expect(hook.sinceSeq).to.be.lessThan(delivery!.eventSeq);
      });

      it('is not owed when the scope came later, or was away and came back', async () => {
        const row = await install({}, { types: [] });
        const hook = webhook(row.id);
        const pushes = [{ eventType: 'repo:push', webhookId: hook.id }];
        const setTypes = (at: number, subscriptions: typeof pushes) =>
          store.installations.setGrant(
            row.id,
            { id: newId(), scopes: ['repository'], resources: null },
            { at, subscriptions },
          );
        const [early, during, away, late] = [1, 3, 5, 7].map((ms) => event({ createdAt: T + ms }));
        await store.events.publish([early!]);
        await setTypes(T + 2, pushes);
        await store.events.publish([during!]);
        await setTypes(T + 4, []);
        await store.events.publish([away!]);
        await setTypes(T + 6, pushes);
        await store.events.publish([late!]);
        await fanOutAll(T + 8);
        const told = (await owed(row.id, T + 8)).map(({ eventId }) => eventId);
        expect(told).to.deep.equal([late!.id]);
      });

      for (const [how, resources] of [
        ['by name', ['acme/site', 'acme/other']],
        ['with all others', null],
      ] as const) {
        it(`is not owed when its resource was granted later, ${how}`, async () => {
          const row = await install({ resources: ['acme/site'] });
          const early = event({ resource: 'acme/other', createdAt: T + 1 });
          const kept = event({ resource: 'acme/site', createdAt: T + 1 });
          await store.events.publish([early, kept]);
          await store.installations.setGrant(
            row.id,
            { id: newId(), scopes: ['repository'], resources: resources && [...resources] },
            {
              at: T + 2,
              subscriptions: [{ eventType: 'repo:push', webhookId: webhook(row.id).id }],
            },
          );
          const late = event({ resource: 'acme/other', createdAt: T + 3 });
          await store.events.publish([late]);
          await fanOutAll(T + 4);
          const told = (await owed(row.id, T + 4)).map(({ eventId }) => eventId);
          expect(told).to.deep.equal([kept.id, late.id]);
        });
      }

      it('is owed over a re-install and a new derivation that change nothing for it', async () => {
        const row = await install();
        const early = event({ createdAt: T + 1 });
        await store.events.publish([early]);
        await accept(await begin(row, { at: T + 2 }));
        const hook = webhook(row.id);
        await store.installations.replaceSubscriptions(
          row.id,
          [{ eventType: 'repo:push', webhookId: hook.id }],
          T + 3,
        );
        await fanOutAll(T + 4);
        expect(await owed(row.id, T + 4)).to.have.length(1);
      });
    });

    describe('what is owed', () => {
      it('comes by lane, oldest first, and says when the next one is due', async () => {
        const row = await install();
        const events = [1, 2, 3].map((ms) => event({ createdAt: T + ms }));
        await publishAndFanOut(...events);
        const { due } = await store.deliveries.window(row.id, T, 10);
        expect(due.map(({ eventId }) => eventId)).to.deep.equal(events.map(({ id }) => id));
        const retry = attempted(due[0]!, { outcome: 'retry', nextDueAt: T + HOUR });
        await store.deliveries.record({ attempts: [retry] });
        const rest = await store.deliveries.window(row.id, T, 10);
        expect(rest.due).to.have.length(2);
        expect(rest.nextDueAt).to.be.within(T + 1, T + HOUR);
        const short = await store.deliveries.window(row.id, T, 1);
        expect(short.nextDueAt).to.equal(T);
        const lanes = await store.deliveries.lanes();
        expect(lanes).to.deep.equal([{ installationId: row.id, dueAt: T, state: undefined }]);
      });

      it('is attempted with event, webhook, installation and grant as they are', async () => {
        const row = await install();
        const published = event({ resource: 'acme/site' });
        await publishAndFanOut(published);
        const [delivery] = await owed(row.id);
        expect(await store.events.findOwed(delivery!)).to.deep.equal(published);
        const recipient = (await store.deliveries.recipient(row.id))!;
        expect(recipient.installation).to.deep.equal(row);
        expect(recipient.webhooks.get(delivery!.webhookId)).to.deep.equal(webhook(row.id));
        expect(recipient.grant).to.deep.equal(await store.installations.findGrant(row.id));
      });
    });

    describe('a share of what is sent', () => {
      it('is all for who is alone: it is told what is owed, and looks for what others do', async () => {
        const row = await install();
        await publishAndFanOut(event());
        const share = (await store.engine.tryShare())!;
        const told: OwedLane[] = [];
        await share.start({
          taken: (lanes) => void told.push(...lanes),
          letGo() {},
          lingering: () => [],
          mayOweMore() {},
        });
        expect([share.size, share.isHeld(), share.includes(row.id)]).to.deep.equal([
          256,
          true,
          true,
        ]);
        expect(told).to.deep.equal([{ installationId: row.id, dueAt: T, state: undefined }]);
        await share.lookForWork();
        expect(await share.lookForWork()).to.equal(undefined);
        await store.events.publish([event()]);
        const { owed: more } = await store.events.fanOut(64, T, HOUR);
        expect(more.map(({ installationId }) => installationId)).to.deep.equal([row.id]);
        await share.release();
        const next = (await store.engine.tryShare())!;
        expect(next.isHeld()).to.equal(true);
        await next.release();
      });
    });

    describe('recording an attempt', () => {
      let row: InstallationRow;
      let delivery: OwedDelivery;
      beforeEach(async () => {
        row = await install();
        await publishAndFanOut(event());
        [delivery] = (await owed(row.id)) as [OwedDelivery];
      });

      it('that will be tried again moves it and keeps the log', async () => {
        const retry = attempted(delivery, {
          outcome: 'retry',
          status: 503,
          reason: 'status_503',
          nextDueAt: T + 10 * SECOND,
        });
        await store.deliveries.record({ attempts: [retry] });
        expect(await owed(row.id)).to.deep.equal([]);
        const [moved] = await owed(row.id, T + 10 * SECOND);
        expect(moved).to.deep.include({ id: delivery.id, attempts: 1, dueAt: T + 10 * SECOND });
        const view = (await store.deliveries.find(delivery.id))!;
        expect(view).to.deep.include({ state: 'retrying', reason: 'status_503', attempts: 1 });
        const { delivery: _, ...logged } = retry;
        expect(view.log).to.deep.equal([{ ...logged, replayId: null }]);
      });

      it('by somebody who has seen fewer attempts moves nothing', async () => {
        const retry = { outcome: 'retry' as const, nextDueAt: T + 10 * SECOND };
        await store.deliveries.record({ attempts: [attempted(delivery, retry)] });
        await store.deliveries.record({
          attempts: [attempted(delivery, { ...retry, nextDueAt: T + HOUR })],
        });
        const [moved] = await owed(row.id, T + 10 * SECOND);
        expect(moved).to.include({ attempts: 1, dueAt: T + 10 * SECOND });
        expect((await store.deliveries.find(delivery.id))!.log).to.have.length(1);
      });

      it('that ended it takes it out of what is owed and keeps all of its log', async () => {
        const retry = attempted(delivery, { outcome: 'retry', nextDueAt: T + SECOND });
        await store.deliveries.record({ attempts: [retry] });
        const [again] = await owed(row.id, T + SECOND);
        const withheld = [{ pointer: '/actor/email', scope: 'email' }];
        const end = attempted(again!, { outcome: 'delivered', at: T + 2 * SECOND, withheld });
        await store.deliveries.record({ attempts: [end] });
        expect(await owed(row.id, T + HOUR)).to.deep.equal([]);
        expect(await store.deliveries.lanes()).to.deep.equal([]);
        const view = (await store.deliveries.find(delivery.id))!;
        expect(view).to.deep.include({
          state: 'delivered',
          attempts: 2,
          withheld,
          nextAttemptAt: null,
          endedAt: T + 2 * SECOND,
          createdAt: T,
          addonKey: 'addon',
          context: 'acme',
        });
        expect(view.log.map(({ number, outcome }) => `${number} ${outcome}`)).to.deep.equal([
          '1 retry',
          '2 delivered',
        ]);
      });

      it('of a batch keeps each', async () => {
        const other = await install({ addonKey: 'other' });
        await publishAndFanOut(event({ createdAt: T + 1 }));
        const all = [...(await owed(row.id)), ...(await owed(other.id))];
        expect(all).to.have.length(3);
        const outcomes = ['delivered', 'failed', 'dropped'] as const;
        const attempts = all.map((d, i) => attempted(d, { outcome: outcomes[i]! }));
        await store.deliveries.record({ attempts });
        const states = await Promise.all(
          all.map(async ({ id }) => (await store.deliveries.find(id))!.state),
        );
        expect(states).to.deep.equal(outcomes);
      });
    });

    describe('a delivery that is ended with others while it is looked at', () => {
      it('has one end in its log, though the gate says no to it too', async () => {
        const row = await install();
        await publishAndFanOut(event());
        const [delivery] = await owed(row.id);
        const because = { reason: 'disabled', message: 'It is disabled.' };
        expect(await store.deliveries.endUnsent(row.id, { ...because, at: T }, {}, 10)).to.equal(1);
        const dropped = attempted(delivery!, { ...because, outcome: 'dropped', number: 0 });
        await store.deliveries.record({ attempts: [dropped] });
        expect((await store.deliveries.find(delivery!.id))!.log).to.have.length(1);
      });

      it('stays owed if a replay owes it again before that is recorded', async () => {
        const row = await install();
        await publishAndFanOut(event());
        const [delivery] = await owed(row.id);
        const because = { reason: 'disabled', message: 'It is disabled.' };
        await store.deliveries.endUnsent(row.id, { ...because, at: T }, {}, 10);
        const id = newId();
        await store.replays.create({
          id,
          deliveryId: delivery!.id,
          installationId: null,
          eventType: null,
          eventId: null,
          since: null,
          until: T + HOUR,
          outcomes: ['dropped'],
          allowed: 'then-and-now',
          createdAt: T + SECOND,
          newIds: false,
          perSecond: 50,
          total: 1,
          alreadyDelivered: 0,
        });
        await store.replays.advance(id, { most: 10, now: T + SECOND, expiresAfterMs: HOUR });
        for (const own of [
          { ...because, outcome: 'dropped', number: 0 },
          { outcome: 'retry', status: 500, nextDueAt: T + HOUR },
        ] as const) {
          await store.deliveries.record({ attempts: [attempted(delivery!, own)] });
          const [again] = await owed(row.id, T + SECOND);
          expect(again).to.include({ id: delivery!.id, replayId: id, attempts: 0 });
        }
      });
    });

    describe('the list of deliveries', () => {
      let rows: InstallationRow[];
      let events: EventRow[];
      beforeEach(async () => {
        rows = [await install(), await install({ addonKey: 'other' })];
        events = [0, 0, 1, 2].map((ms) => event({ createdAt: T + ms }));
        for (const [i, row] of events.entries()) {
          await store.events.publish([row]);
          await store.events.fanOut(64, T + Math.max(0, i - 1), HOUR);
        }
        const [a, b, c, d] = (await owed(rows[0]!.id, T + HOUR)) as [
          OwedDelivery,
          OwedDelivery,
          OwedDelivery,
          OwedDelivery,
        ];
        await store.deliveries.record({
          attempts: [
            attempted(a, { outcome: 'delivered' }),
            attempted(b, { outcome: 'failed', reason: 'exhausted', status: 500 }),
            attempted(c, { outcome: 'dropped', number: 0, reason: 'disabled' }),
            attempted(d, { outcome: 'retry', nextDueAt: T + HOUR }),
          ],
        });
      });

      it('has what is owed and what has ended, newest first', async () => {
        const all = await listAll();
        expect(all).to.have.length(8);
        const times = all.map(({ createdAt }) => createdAt);
        expect(times).to.deep.equal([...times].sort((a, b) => b - a));
        const count: Record<string, number> = {};
        for (const { state } of all) count[state] = (count[state] ?? 0) + 1;
        expect(count).to.deep.equal({
          delivered: 1,
          failed: 1,
          dropped: 1,
          retrying: 1,
          pending: 4,
        });
      });

      it('can be narrowed by installation, event, state and time', async () => {
        const all = await listAll();
        const filters: [Partial<DeliveryFilter>, (d: Delivery) => boolean][] = [
          [{ installationId: rows[1]!.id }, (d) => d.installationId === rows[1]!.id],
          [{ eventId: events[1]!.id }, (d) => d.eventId === events[1]!.id],
          [{ since: T + 1 }, (d) => d.createdAt >= T + 1],
          ...(['pending', 'retrying', 'delivered', 'failed', 'dropped'] as const).map(
            (state): [Partial<DeliveryFilter>, (d: Delivery) => boolean] => [
              { state },
              (d) => d.state === state,
            ],
          ),
          [
            { state: 'pending', installationId: rows[1]!.id, eventId: events[2]!.id },
            (d) => d.installationId === rows[1]!.id && d.eventId === events[2]!.id,
          ],
          [{ state: 'delivered', installationId: rows[1]!.id }, () => false],
        ];
        for (const [filter, fits] of filters) {
          expect(await listAll(filter), JSON.stringify(filter)).to.deep.equal(all.filter(fits));
        }
      });

      it('comes in pages, no row twice and none missing', async () => {
        const all = await listAll();
        expect(await listAll({ limit: 2 })).to.deep.equal(all);
        expect(await listAll({ limit: 3 })).to.deep.equal(all);
        const ofOne = all.filter(({ installationId }) => installationId === rows[0]!.id);
        expect(await listAll({ limit: 1, installationId: rows[0]!.id })).to.deep.equal(ofOne);
        const exact = await store.deliveries.list({ limit: 8 });
        expect(exact.next).to.equal(null);
      });

      it('has no row twice and none missing though deliveries end between two pages', async () => {
        const all = await listAll();
        const seen: string[] = [];
        for (let after: string | undefined; ; ) {
          const page = await store.deliveries.list({ limit: 2, after });
          seen.push(...page.items.map(({ id }) => id));
          const [next] = await owed(rows[1]!.id, T + HOUR);
          if (next)
            await store.deliveries.record({
              attempts: [attempted(next, { outcome: 'delivered' })],
            });
          if (page.next === null) break;
          after = page.next;
        }
        expect(seen).to.deep.equal(all.map(({ id }) => id));
      });
    });

    describe('what explains an event', () => {
      const explained =
        (of: EventRow) =>
        async (query: { after?: string; limit?: number } = {}) =>
          store.explanations.outcomes(of, { limit: 100, ...query });
      const idsOf = (rows: { installationId: string }[]) =>
        rows.map(({ installationId }) => installationId);

      async function factsOf(of: EventRow, row: InstallationRow) {
        const [facts] = await store.explanations.facts(of, [row.id]);
        return facts!;
      }

      async function uninstall(row: InstallationRow, at: number): Promise<void> {
        await store.installations.uninstall(row.id, at, undefined);
      }

      it('is asked of those who were installed in its context then, or are now', async () => {
        const published = event({ createdAt: T + 10 });
        const [stayed, left, gone, came] = [
          await install({ addonKey: 'stayed' }),
          await install({ addonKey: 'left' }),
          await install({ addonKey: 'gone' }),
          await install({ addonKey: 'came', at: T + 20 }),
        ];
        await install({ addonKey: 'elsewhere', context: 'other' });
        await begin(undefined, { addonKey: 'pending' });
        const cameAndLeft = await install({ addonKey: 'came-and-left', at: T + 20 });
        await uninstall(left, T + 11);
        await uninstall(gone, T + 9);
        await uninstall(cameAndLeft, T + 21);
        await store.events.publish([published]);
        const rows = await explained(published)();
        expect(idsOf(rows)).to.deep.equal([came, left, stayed].map(({ id }) => id));
        await accept(await begin(await store.installations.find(gone.id), { at: T + 30 }));
        expect(idsOf(await explained(published)())).to.include(gone.id);
        // It was away when this one was published, and came back.
        const away = event({ createdAt: T + 15 });
        await uninstall((await store.installations.find(gone.id))!, T + 40);
        expect(idsOf(await explained(away)())).not.to.include(gone.id);
        const during = event({ createdAt: T + 35 });
        expect(idsOf(await explained(during)())).to.include(gone.id);
      });

      it('comes in pages, newest installation first', async () => {
        const rows = [];
        for (let i = 0; i < 5; i++) rows.push(await install({ addonKey: `addon-${i}` }));
        const all = rows.map(({ id }) => id).reverse();
        const page = explained(event());
        expect(idsOf(await page({ limit: 2 }))).to.deep.equal(all.slice(0, 2));
        expect(idsOf(await page({ after: all[1], limit: 2 }))).to.deep.equal(all.slice(2, 4));
        expect(idsOf(await page({ after: all[3], limit: 2 }))).to.deep.equal(all.slice(4));
        expect(await page({ after: all[4] })).to.deep.equal([]);
        const [some] = await store.explanations.facts(event(), [all[3]!]);
        expect(some!.installation.id).to.equal(all[3]);
        expect(await store.explanations.facts(event(), [newId()])).to.deep.equal([]);
      });

      it('tells whom the fan-out has not come to, and whom it never comes to', async () => {
        const told = await install({ addonKey: 'told' });
        const untold = await install({ addonKey: 'untold' }, { types: [] });
        const limited = await install({ addonKey: 'limited', resources: ['acme/other'] });
        const published = event({ resource: 'acme/site', createdAt: T + 1 });
        const ahead = async () =>
          (await explained(published)())
            .filter(({ isFanOutAhead }) => isFanOutAhead)
            .map(({ installationId }) => installationId);
        await store.events.publish([event({ createdAt: T + 1 }), published]);
        expect(await ahead()).to.deep.equal([told.id]);
        expect((await factsOf(published, told)).isFanOutAhead).to.equal(true);
        expect((await factsOf(published, limited)).isFanOutAhead).to.equal(false);
        await fanOutAll(T + 2);
        expect(await ahead()).to.deep.equal([]);
        const states = (await explained(published)()).map(({ states }) => states);
        expect(states).to.deep.equal([[], [], ['pending']]);
        expect((await factsOf(published, untold)).deliveries).to.deep.equal([]);
      });

      it('tells of each delivery of this event: what is owed, and the attempt that ended it', async () => {
        const row = await install(
          {},
          { webhooks: [webhook('i', 'repo:push', '/a'), webhook('i', '*', '/b')] },
        );
        const [published, other] = [event({ createdAt: T + 1 }), event({ createdAt: T + 1 })];
        await publishAndFanOut(published, other);
        const mine = (await owed(row.id)).filter(({ eventId }) => eventId === published.id);
        const [a, b] = mine as [OwedDelivery, OwedDelivery];
        const failure = { outcome: 'retry' as const, status: 503, reason: 'status_503' };
        await store.deliveries.record({
          attempts: [attempted(a, { ...failure, message: 'No.', nextDueAt: T + HOUR })],
          lanes: [
            {
              installationId: row.id,
              failures: 3,
              failingSince: T,
              probes: 0,
              openUntil: T + HOUR,
              silentUntil: null,
              pausedAt: null,
            },
          ],
        });
        const withheld = [{ pointer: '/actor/email', scope: 'email' }];
        await store.deliveries.record({
          attempts: [attempted(b, { outcome: 'delivered', at: T + 30 * HOUR, withheld })],
        });
        const { deliveries, lane } = await factsOf(published, row);
        const byId = new Map(deliveries.map((delivery) => [delivery.id, delivery]));
        expect([...byId.keys()].sort()).to.deep.equal([a.id, b.id].sort());
        expect(byId.get(a.id)).to.deep.equal({
          id: a.id,
          webhookId: a.webhookId,
          state: 'retrying',
          attempts: 1,
          dueAt: T + HOUR,
          expiresAt: a.expiresAt,
          behind: null,
          last: { number: 1, at: T + SECOND, status: 503, reason: 'status_503', message: 'No.' },
          withheld: [],
        });
        expect(byId.get(b.id)).to.deep.equal({
          id: b.id,
          webhookId: b.webhookId,
          state: 'delivered',
          attempts: 1,
          dueAt: null,
          expiresAt: null,
          behind: null,
          last: { number: 1, at: T + 30 * HOUR, status: 200, reason: null, message: null },
          withheld,
        });
        expect(lane).to.include({ installationId: row.id, failures: 3, openUntil: T + HOUR });
        const [outcome] = await explained(published)();
        expect([...outcome!.states].sort()).to.deep.equal(['delivered', 'retrying']);
      });

      it('ends a delivery by its terminal attempt, though a probe was logged after it', async () => {
        const row = await install();
        const published = event();
        await publishAndFanOut(published);
        const [delivery] = (await owed(row.id)) as [OwedDelivery];
        await store.deliveries.record({
          attempts: [
            attempted(delivery, { outcome: 'dropped', number: 0, reason: 'disabled' }),
            { ...attempted(delivery, { outcome: 'retry', nextDueAt: T }), isProbe: true },
          ],
        });
        const [told] = (await factsOf(published, row)).deliveries;
        expect(told).to.deep.include({ state: 'dropped', attempts: 0 });
        expect(told!.last!.reason).to.equal('disabled');
      });

      it('names the event of the same order that goes before, for each webhook', async () => {
        const row = await install();
        const ordered = [1, 2, 3].map((ms) => event({ orderingKey: 'main', createdAt: T + ms }));
        const [first, second, third] = ordered as [EventRow, EventRow, EventRow];
        await publishAndFanOut(...ordered, event({ orderingKey: 'other' }));
        const behind = async (of: EventRow) => (await factsOf(of, row)).deliveries[0]!.behind;
        expect(await behind(first)).to.equal(null);
        expect(await behind(second)).to.equal(first.id);
        expect(await behind(third)).to.equal(first.id);
        const [delivery] = (await owed(row.id, T + HOUR)) as [OwedDelivery];
        await store.deliveries.record({
          attempts: [attempted(delivery, { outcome: 'delivered' })],
        });
        expect(await behind(second)).to.equal(null);
      });

      it('remembers every state, from when to when', async () => {
        const row = await install();
        const setState = (state: 'enabled' | 'disabled', at: number) =>
          store.installations.setState(row.id, state, { at, subscriptions: [] });
        await setState('disabled', T + 1);
        await setState('disabled', T + 2);
        await setState('enabled', T + 3);
        await setState('disabled', T + 4);
        const found = (await store.installations.find(row.id))!;
        await accept(await begin(found, { at: T + 5 }));
        await uninstall(row, T + 6);
        expect((await factsOf(event(), row)).states).to.deep.equal([
          { state: 'enabled', since: T, until: T + 1 },
          { state: 'disabled', since: T + 1, until: T + 3 },
          { state: 'enabled', since: T + 3, until: T + 4 },
          { state: 'disabled', since: T + 4, until: T + 5 },
          { state: 'enabled', since: T + 5, until: T + 6 },
        ]);
        const pending = await begin((await store.installations.find(row.id))!, { at: T + 7 });
        await store.installations.refuseHandshake(pending.id, T + 8);
        expect((await factsOf(event(), row)).states).to.have.length(5);
      });

      it('remembers every grant of the installation itself, not those of handshakes that failed', async () => {
        const row = await install();
        const change = (scopes: string[], at: number) =>
          store.installations.setGrant(
            row.id,
            { id: newId(), scopes, resources: null },
            { at, subscriptions: [] },
          );
        await change(['issue'], T + 1);
        const own = (await store.installations.findGrant(row.id))!;
        await store.grants.actAs(own, 'alice', newId(), T + 2);
        const refused = await begin((await store.installations.find(row.id))!, { at: T + 3 });
        await store.installations.refuseHandshake(refused.id, T + 4);
        const { grants } = await factsOf(event(), row);
        expect(grants.map(({ scopes, since, until }) => ({ scopes, since, until }))).to.deep.equal([
          { scopes: ['repository'], since: T, until: T + 1 },
          { scopes: ['issue'], since: T + 1, until: null },
        ]);
      });

      it('remembers every time of a webhook: removed and declared again, off and on again', async () => {
        const row = await install();
        const [old, other] = [webhook(row.id), webhook(row.id, '*', '/other')];
        const reinstallWith = async (at: number, ...webhooks: WebhookRow[]) =>
          accept(await begin((await store.installations.find(row.id))!, { at }), { webhooks });
        await reinstallWith(T + 10, other);
        await reinstallWith(T + 20, old);
        await publishAndFanOut(event({ createdAt: T + 25 }));
        const [delivery] = (await owed(row.id, T + HOUR)) as [OwedDelivery];
        await store.deliveries.record({
          attempts: [attempted(delivery, { outcome: 'failed', reason: 'gone', at: T + 30 })],
        });
        await reinstallWith(T + 40, old);
        await reinstallWith(T + 50, old);
        const { webhooks } = await factsOf(event(), row);
        const times = (id: string) =>
          webhooks
            .filter((hook) => hook.id === id)
            .map(({ since, until, offSince }) => [since, until, offSince]);
        expect(times(old.id)).to.deep.equal([
          [T, T + 10, null],
          [T + 20, T + 40, T + 30],
          [T + 40, null, null],
        ]);
        expect(times(other.id)).to.deep.equal([[T + 10, T + 20, null]]);
      });

      it('knows since when it is subscribed', async () => {
        const row = await install();
        expect((await factsOf(event(), row)).subscribedSince).to.equal(T);
        expect((await factsOf(event({ type: 'issue:new' }), row)).subscribedSince).to.equal(null);
      });
    });

    describe('events past their retention', () => {
      it('are gone, and the store says before when nothing is left', async () => {
        const [old, young] = [event(), event({ createdAt: T + 48 * HOUR })];
        await store.events.publish([old, young]);
        expect(await store.events.forgottenBefore()).to.equal(0);
        const retention = { events: 24 * HOUR, attempts: 24 * HOUR };
        await store.engine.turnDays(T + 48 * HOUR, retention);
        expect(await store.events.find(old.id)).to.equal(undefined);
        expect(await store.events.find(young.id)).to.deep.equal(young);
        const before = await store.events.forgottenBefore();
        expect(before)
          .to.be.above(T)
          .and.at.most(T + 48 * HOUR);
        await store.engine.turnDays(T + 48 * HOUR, retention);
        expect(await store.events.forgottenBefore()).to.equal(before);
      });
    });

    describe('a replay', () => {
      let row: InstallationRow;
      const outcomes = ['delivered', 'failed', 'dropped'] as const;

      function replayOf(own: Partial<NewReplay> = {}): NewReplay {
        return {
          id: newId(),
          deliveryId: null,
          installationId: null,
          eventType: null,
          eventId: null,
          since: null,
          until: T + HOUR,
          outcomes: ['failed', 'dropped'],
          allowed: 'then-and-now',
          createdAt: T + HOUR,
          newIds: false,
          perSecond: 50,
          total: 0,
          alreadyDelivered: 0,
          ...own,
        };
      }

      async function counted(own: Partial<NewReplay> = {}): Promise<number> {
        let count = 0;
        for (let cursor: string | null = null; ; ) {
          const page: ReplayCount = await store.replays.count(replayOf(own), cursor);
          count += page.count;
          if (page.cursor === null) return count;
          cursor = page.cursor;
        }
      }

      const chunk = (most: number) => ({ most, now: T + HOUR, expiresAfterMs: 72 * HOUR });

      /** To its end, in chunks; closed and opened again after each. */
      async function run(own: Partial<NewReplay> = {}, most = 2): Promise<ReplayRow> {
        const replay = replayOf(own);
        await store.replays.create(replay);
        for (;;) {
          const done = await store.replays.advance(replay.id, chunk(most));
          expect(done!.done).to.be.at.most(most);
          if (done!.isOver) return (await store.replays.find(replay.id))!;
          await opened.reopen();
          store = opened.store;
        }
      }

      /** Ends everything owed so, in turn. */
      async function end(...states: (typeof outcomes)[number][]): Promise<void> {
        const all = await owed(row.id, T + HOUR);
        await store.deliveries.record({
          attempts: all.map((d, i) => attempted(d, { outcome: states[i % states.length]! })),
        });
      }

      async function publishedAndEnded(count: number, ...states: (typeof outcomes)[number][]) {
        const events = Array.from({ length: count }, (_, ms) => event({ createdAt: T + ms }));
        await publishAndFanOut(...events);
        await end(...states);
        return events;
      }

      beforeEach(async () => {
        row = await install();
      });

      it('owes each again once, under its old id, chunk by chunk, and is over then', async () => {
        await publishedAndEnded(7, 'failed');
        const ids = (await listAll()).map(({ id }) => id);
        const replay = await run();
        expect(replay).to.include({ state: 'done', done: 7, endedAt: T + HOUR });
        const again = await owed(row.id, T + HOUR);
        expect(again.map(({ id }) => id)).to.have.members(ids);
        for (const delivery of again) {
          expect(delivery).to.include({
            replayId: replay.id,
            allowed: null,
            attempts: 0,
            dueAt: T + HOUR,
            expiresAt: T + 73 * HOUR,
          });
          expect((await store.events.findOwed(delivery))!.id).to.equal(delivery.eventId);
        }
        expect(await store.replays.running()).to.deep.equal([]);
        expect(await store.replays.advance(replay.id, chunk(2))).to.equal(undefined);
      });

      it('keeps the order that events of one key have', async () => {
        const events = [0, 1, 2].map((ms) => event({ createdAt: T + ms, orderingKey: 'site' }));
        await publishAndFanOut(...events);
        for (const _ of events) await end('failed');
        await run({}, 10);
        for (const { id } of events) {
          const due = await owed(row.id, T + HOUR);
          expect(due.map(({ eventId }) => eventId)).to.deep.equal([id]);
          await end('delivered');
        }
      });

      it('takes by how each ended last, event, type, installation and time', async () => {
        const events = await publishedAndEnded(6, ...outcomes);
        const rows: [Partial<NewReplay>, number][] = [
          [{}, 4],
          [{ outcomes: ['delivered'] }, 2],
          [{ outcomes: [...outcomes] }, 6],
          [{ outcomes: [...outcomes], eventId: events[0]!.id }, 1],
          [{ outcomes: [...outcomes], eventType: 'issue:created' }, 0],
          [{ outcomes: [...outcomes], installationId: row.id }, 6],
          [{ outcomes: [...outcomes], installationId: 'other' }, 0],
          [{ outcomes: [...outcomes], since: T + 2 }, 4],
          [{ outcomes: [...outcomes], since: T + 2, until: T + 4 }, 3],
        ];
        for (const [own, count] of rows)
          expect(await counted(own), JSON.stringify(own)).to.equal(count);
        await run({ outcomes: ['failed'] });
        await end('delivered');
        expect(await counted()).to.equal(2);
      });

      it('finds the last end, on whatever day each was', async () => {
        await publishAndFanOut(event());
        const [delivery] = await owed(row.id);
        const day = 24 * HOUR;
        await store.deliveries.record({ attempts: [attempted(delivery!, { outcome: 'failed' })] });
        expect(await counted()).to.equal(1);
        await store.deliveries.record({
          attempts: [attempted(delivery!, { outcome: 'delivered', at: T + day })],
        });
        expect(await counted()).to.equal(0);
      });

      it('with new ids makes the same id whenever it comes to a delivery, and takes no copies', async () => {
        await publishedAndEnded(3, 'delivered');
        const before = (await listAll()).map(({ id }) => id);
        const replay = await run({ newIds: true, outcomes: ['delivered'] }, 1);
        const again = await owed(row.id, T + HOUR);
        expect(again.map(({ id }) => id)).to.have.members(
          before.map((id) => replayedId(replay.id, id, timeOf(id)!)),
        );
        await end('delivered');
        expect(await counted({ outcomes: [...outcomes] })).to.equal(3);
      });

      it('passes over what is owed, and what has lost its event', async () => {
        await publishedAndEnded(3, 'failed');
        const [one] = await listAll();
        await run({ deliveryId: one!.id });
        await store.engine.turnDays(T, { events: HOUR, attempts: 24 * HOUR });
        expect(await run()).to.include({ done: 2, skippedOwed: 1, skippedExpired: 0 });
        await end('failed');
        await store.engine.turnDays(T + 30 * 24 * HOUR, { events: HOUR, attempts: 90 * 24 * HOUR });
        expect(await run()).to.include({ done: 0, skippedOwed: 0, skippedExpired: 3 });
      });

      it('counts what comes of its deliveries', async () => {
        await publishedAndEnded(4, 'failed');
        const { id } = await run();
        const [a, b, c] = await owed(row.id, T + HOUR);
        await store.deliveries.record({
          attempts: [
            attempted(a!, { outcome: 'delivered' }),
            attempted(b!, { outcome: 'failed' }),
            attempted(c!, { outcome: 'retry', nextDueAt: T + HOUR }),
          ],
        });
        expect(await store.replays.find(id)).to.include({ delivered: 1, failed: 1, dropped: 0 });
        await store.deliveries.endUnsent(
          row.id,
          { reason: 'x', message: 'y', at: T + HOUR },
          {},
          10,
        );
        expect(await store.replays.find(id)).to.include({ delivered: 1, failed: 1, dropped: 2 });
      });

      it('that is cancelled goes no further', async () => {
        await publishedAndEnded(4, 'failed');
        const replay = replayOf();
        await store.replays.create(replay);
        await store.replays.advance(replay.id, chunk(1));
        const cancelled = await store.replays.cancel(replay.id, T + HOUR);
        expect(cancelled).to.include({ state: 'cancelled', done: 1, endedAt: T + HOUR });
        expect(await store.replays.advance(replay.id, chunk(1))).to.equal(undefined);
        expect(await owed(row.id, T + HOUR)).to.have.length(1);
        expect(await store.replays.cancel('nope', T)).to.equal(undefined);
      });

      it('of what is allowed now also owes what never was, each webhook once', async () => {
        const events = await publishedAndEnded(3, 'failed');
        const wanted = event({ createdAt: T + 10, resource: 'acme/site' });
        await store.events.publish([wanted, event({ createdAt: T + 10, context: 'globex' })]);
        const rest = {
          at: T + 30,
          webhooks: ['/hook', '/new', '/newer'].map((path) => webhook(row.id, '*', path)),
        };
        await accept(await begin(row, { at: T + 30 }), rest);
        const limited = await install({
          addonKey: 'limited',
          resources: ['acme/site'],
          at: T + 30,
        });
        await fanOutAll();
        const own = { allowed: 'now' as const };
        expect(await counted()).to.equal(3);
        // Owed already: the fan-out found the first webhook for the new event.
        expect(await counted(own)).to.equal(3 + 3 * 2 + 3);
        const replay = await run(own, 1);
        expect(replay).to.include({ done: 12, skippedOwed: 1 });
        const again = await owed(row.id, T + HOUR);
        const pairs = again.map((d) => `${d.eventId} ${d.webhookId}`);
        const hooks = rest.webhooks.map(({ id }) => id);
        expect(pairs).to.have.members(
          [...events, wanted].flatMap(({ id }) => hooks.map((hook) => `${id} ${hook}`)),
        );
        for (const { replayId, allowed } of again)
          expect(allowed).to.equal(replayId === null ? null : 'now');
        expect((await owed(limited.id, T + HOUR)).map(({ eventId }) => eventId)).to.deep.equal([
          wanted.id,
        ]);
        expect(await counted(own)).to.equal(0);
      });

      it('reads a long log and many webhooks page by page', async () => {
        await publishedAndEnded(600, 'delivered', 'failed');
        // The last of them has ended once more, on another day: beyond the first page of the first.
        const { items } = await store.deliveries.list({ state: 'failed', limit: 1 });
        await run({ deliveryId: items[0]!.id });
        const [last] = await owed(row.id, T + HOUR);
        const again = attempted(last!, { outcome: 'failed', at: T + 24 * HOUR });
        await store.deliveries.record({ attempts: [again] });
        expect(await counted()).to.equal(300);
        expect(await run({}, 90)).to.include({ done: 300 });
        for (let i = 0; i < 3; i++) await install({ addonKey: `late-${i}`, at: T + SECOND });
        expect(await counted({ allowed: 'now', outcomes: [] })).to.equal(1_800);
        expect(await run({ allowed: 'now', outcomes: [] }, 700)).to.include({ done: 1_800 });
      }).timeout(60_000);

      it('is listed newest first', async () => {
        const replays = [replayOf(), replayOf(), replayOf()];
        for (const one of replays) await store.replays.create(one);
        const ids = replays.map(({ id }) => id).reverse();
        const first = await store.replays.list({ limit: 2 });
        expect(first.map(({ id }) => id)).to.deep.equal(ids.slice(0, 2));
        const next = await store.replays.list({ after: ids[1], limit: 2 });
        expect(next.map(({ id }) => id)).to.deep.equal(ids.slice(2));
        expect(first[0]).to.deep.include({ ...replays[2], state: 'running', done: 0 });
        const running = await store.replays.running();
        expect(running.map(({ id }) => id)).to.deep.equal([...ids].reverse());
      });
    });

    describe('a recovery', () => {
      it('makes the endpoint well, its webhooks and subscriptions stand again, and is told once', async () => {
        const row = await install();
        await publishAndFanOut(event());
        const [delivery] = await owed(row.id);
        const lane: LaneState = {
          installationId: row.id,
          failures: 12,
          failingSince: T,
          probes: 2,
          openUntil: T + HOUR,
          silentUntil: T + HOUR,
          pausedAt: T,
        };
        const gone = attempted(delivery!, { outcome: 'failed', status: 410, reason: 'gone' });
        await store.deliveries.record({ attempts: [gone], lanes: [lane] });
        const hook = webhook(row.id);
        const ill = await store.deliveries.health(row.id);
        expect(ill.lane).to.deep.equal(lane);
        expect(ill.webhooksOff.map(({ id }) => id)).to.deep.equal([hook.id]);
        const subscriptions = [{ eventType: 'repo:push', webhookId: hook.id }];
        const stale = { at: T + HOUR, expectedEpoch: row.epoch, subscriptions };
        expect(await store.installations.recover(row.id, stale)).to.equal(undefined);
        const resumed = call(row.id, 'webhooksResumed');
        const { epoch } = (await store.installations.find(row.id))!;
        const recovered = await store.installations.recover(row.id, {
          ...stale,
          expectedEpoch: epoch,
          ifPaused: resumed,
        });
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([resumed]);
        expect(recovered!.webhooksOn).to.deep.equal([hook.id]);
        expect(recovered!.installation.epoch).to.be.greaterThan(epoch);
        expect(await store.deliveries.health(row.id)).to.deep.equal({
          lane: undefined,
          retrying: undefined,
          webhooksOff: [],
        });
        await publishAndFanOut(event({ createdAt: T + HOUR }));
        expect(await owed(row.id, T + HOUR)).to.have.length(1);
        expect(await store.installations.takeRecovered()).to.deep.equal([row.id]);
        expect(await store.installations.takeRecovered()).to.deep.equal([]);
      });

      it('is refused once it is uninstalled', async () => {
        const row = await install();
        await store.installations.uninstall(row.id, T, undefined);
        const { epoch } = (await store.installations.find(row.id))!;
        const change = { at: T, expectedEpoch: epoch, subscriptions: [] };
        expect(await store.installations.recover(row.id, change)).to.equal(undefined);
      });

      it('tells nobody that it goes on where it was not paused', async () => {
        const row = await install();
        await store.installations.recover(row.id, {
          at: T,
          expectedEpoch: row.epoch,
          subscriptions: [],
          ifPaused: call(row.id, 'webhooksResumed'),
        });
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([]);
      });

      it('is not needed while deliveries are only tried again, and that can be seen', async () => {
        const row = await install();
        await publishAndFanOut(event());
        const [delivery] = await owed(row.id);
        await store.deliveries.record({
          attempts: [attempted(delivery!, { outcome: 'retry', nextDueAt: T + SECOND })],
        });
        expect((await store.deliveries.health(row.id)).retrying).to.deep.equal({
          attempts: 1,
          since: T,
        });
      });
    });

    describe('lifecycle calls', () => {
      it('are due one at a time and in order per installation', async () => {
        const row = await install();
        const other = await install({ addonKey: 'other' });
        const owe = async (of: InstallationRow, kind: 'enabled' | 'disabled', dueAt: number) => {
          const owedCall = call(of.id, kind, { dueAt });
          await store.installations.setState(of.id, kind, {
            at: T,
            subscriptions: [],
            call: owedCall,
          });
          return owedCall;
        };
        const first = await owe(row, 'disabled', T + 2);
        const second = await owe(row, 'enabled', T + 1);
        const foreign = await owe(other, 'disabled', T + 3);
        expect(await store.lifecycle.due(T + 1, 10)).to.deep.equal([]);
        expect(await store.lifecycle.nextDueAt()).to.equal(T + 2);
        expect(await store.lifecycle.due(T + 3, 10)).to.deep.equal([first, foreign]);
        expect(await store.lifecycle.due(T + 3, 1)).to.deep.equal([first]);
        await store.lifecycle.record(first.id, { state: 'done' }, exchange(first));
        expect(await store.lifecycle.due(T + 3, 10)).to.deep.equal([second, foreign]);
      });

      it('that fail are owed again, and hold up those behind them', async () => {
        const row = await install();
        const [first, second] = [call(row.id, 'disabled'), call(row.id, 'enabled')];
        for (const owedCall of [first, second]) {
          await store.installations.setState(row.id, owedCall.kind as 'enabled' | 'disabled', {
            at: T,
            subscriptions: [],
            call: owedCall,
          });
        }
        const dueAt = T + HOUR;
        await store.lifecycle.record(
          first.id,
          { state: 'owed', dueAt },
          exchange(first, { status: 503 }),
        );
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([]);
        expect(await store.lifecycle.due(dueAt, 10)).to.deep.equal([
          { ...first, attempts: 1, dueAt },
        ]);
        await store.lifecycle.record(first.id, { state: 'failed' }, exchange(first));
        expect(await store.lifecycle.findOwed(first.id)).to.equal(undefined);
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([second]);
      });

      it('without an address any more are dropped', async () => {
        const row = await install();
        const goodbye = call(row.id, 'uninstalled');
        await store.installations.uninstall(row.id, T, goodbye);
        await store.lifecycle.drop(goodbye.id);
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([]);
        expect(await store.lifecycle.nextDueAt()).to.equal(undefined);
      });

      it('are superseded by an install that is accepted', async () => {
        const row = await install();
        const goodbye = call(row.id, 'uninstalled');
        await store.installations.uninstall(row.id, T, goodbye);
        await accept(await begin((await store.installations.find(row.id))!));
        expect(await store.lifecycle.findOwed(goodbye.id)).to.equal(undefined);
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([]);
      });

      it('are owed still after an install that is refused: the goodbye is durable', async () => {
        const row = await install();
        const goodbye = call(row.id, 'uninstalled');
        await store.installations.uninstall(row.id, T, goodbye);
        const proposal = await begin((await store.installations.find(row.id))!);
        await store.installations.refuseHandshake(proposal.id, T);
        expect(await store.lifecycle.due(T, 10)).to.deep.equal([goodbye]);
      });

      it('leave their exchanges, newest first', async () => {
        const row = await install();
        const goodbye = call(row.id, 'uninstalled');
        await store.installations.uninstall(row.id, T, goodbye);
        const handshake = exchange(call(row.id, 'installed'), { at: T - 1 });
        const failed = exchange(goodbye, { status: null, errorCode: 'timeout', message: 'Late.' });
        const done = exchange(goodbye, { attempt: 2, at: T + 1, excerpt: 'ok' });
        await store.lifecycle.addExchange(handshake);
        await store.lifecycle.record(goodbye.id, { state: 'owed', dueAt: T }, failed);
        await store.lifecycle.record(goodbye.id, { state: 'done' }, done);
        const kept = await store.lifecycle.exchanges(row.id, 10);
        expect(kept).to.deep.equal([done, failed, handshake]);
        expect(await store.lifecycle.exchanges(row.id, 1)).to.deep.equal([done]);
      });
    });

    describe('the hold on an installation', () => {
      it('belongs to one at a time', async () => {
        const row = await install();
        const until = T + 30 * SECOND;
        expect(await store.lifecycle.hold(row.id, 'a', T, until)).to.equal(true);
        expect(await store.lifecycle.hold(row.id, 'b', T + 1, until)).to.equal(false);
        await store.lifecycle.release(row.id, 'b');
        expect(await store.lifecycle.hold(row.id, 'b', T + 1, until)).to.equal(false);
        await store.lifecycle.release(row.id, 'a');
        expect(await store.lifecycle.hold(row.id, 'b', T + 1, until)).to.equal(true);
      });

      it('runs out', async () => {
        const row = await install();
        await store.lifecycle.hold(row.id, 'a', T, T + SECOND);
        expect(await store.lifecycle.hold(row.id, 'b', T + SECOND, T + HOUR)).to.equal(true);
      });

      it('is the handshake’s while one runs, and is free after it', async () => {
        const proposal = await begin(await install());
        const { installationId: id } = proposal;
        expect(await store.lifecycle.hold(id, 'a', T, T + SECOND)).to.equal(false);
        await accept(proposal);
        expect(await store.lifecycle.hold(id, 'a', T, T + SECOND)).to.equal(true);
      });
    });

    describe('days', () => {
      const retention = { events: 7 * DAY, attempts: 30 * DAY };

      it('are let go whole, oldest first, when all of them is past retention', async () => {
        const row = await install();
        const events = [0, 1, 2].map((day) => event({ createdAt: T + day * DAY }));
        await store.events.publish(events);
        await fanOutAll(T + 2 * DAY);
        const deliveries = await owed(row.id, T + 2 * DAY);
        await store.deliveries.record({
          attempts: deliveries.map((delivery) => attempted(delivery, { outcome: 'delivered' })),
        });
        expect(await store.engine.turnDays(T + 7 * DAY, retention)).to.deep.equal([]);
        const dropped = await store.engine.turnDays(T + 9 * DAY, retention);
        expect(dropped.filter(({ day }) => day !== BEFORE_DAYS)).to.deep.equal([
          { kind: 'events', day: '20260131' },
          { kind: 'events', day: '20260201' },
        ]);
        const found = await Promise.all(events.map(({ id }) => store.events.find(id)));
        expect(found.map((row) => row?.id)).to.deep.equal([undefined, undefined, events[2]!.id]);
        // What came of them stays longer.
        expect((await listAll()).map(({ eventId }) => eventId)).to.have.members(
          events.map(({ id }) => id),
        );
        expect((await store.deliveries.find(deliveries[0]!.id))!.traceId).to.equal(null);
        await store.engine.turnDays(T + 40 * DAY, retention);
        expect(await listAll()).to.deep.equal([]);
      });

      it('are crossed by what is owed and by its log', async () => {
        const row = await install();
        const midnight = Date.UTC(2026, 1, 1);
        const [before, after] = [midnight - 1, midnight].map((createdAt) => event({ createdAt }));
        await store.events.publish([before!, after!]);
        await fanOutAll(midnight);
        const [first, second] = await owed(row.id, midnight);
        expect(await store.events.findOwed(first!)).to.deep.include({ id: before!.id });
        expect(await store.events.findOwed(second!)).to.deep.include({ id: after!.id });
        const retry = { outcome: 'retry', nextDueAt: midnight, at: midnight - 1 } as const;
        await store.deliveries.record({ attempts: [attempted(first!, retry)] });
        const again = (await owed(row.id, midnight)).find(({ id }) => id === first!.id)!;
        await store.deliveries.record({
          attempts: [attempted(again, { outcome: 'delivered', at: midnight + SECOND })],
        });
        const view = (await store.deliveries.find(first!.id))!;
        expect(view.log.map(({ number, at }) => [number, at])).to.deep.equal([
          [1, midnight - 1],
          [2, midnight + SECOND],
        ]);
        expect((await listAll()).map(({ id, state }) => [id, state])).to.deep.equal([
          [second!.id, 'pending'],
          [first!.id, 'delivered'],
        ]);
        expect((await listAll({ eventId: before!.id })).map(({ id }) => id)).to.deep.equal([
          first!.id,
        ]);
      });
    });

    describe('a delivery that failed one day and was delivered another', () => {
      it('is listed as what became of it last, in pages of any size', async () => {
        const row = await install();
        const midnight = Date.UTC(2026, 1, 1);
        const events = Array.from({ length: 7 }, (_, i) => event({ createdAt: midnight - 10 + i }));
        await store.events.publish(events);
        await fanOutAll(midnight - 1);
        const deliveries = await owed(row.id, midnight);
        const end = (delivery: OwedDelivery, own: Parameters<typeof attempted>[1]) =>
          store.deliveries.record({ attempts: [attempted(delivery, own)] });
        for (const delivery of deliveries)
          await end(delivery, { outcome: 'failed', reason: 'exhausted', at: midnight - 1 });
        const again = deliveries.filter((_, i) => i !== 1 && i !== 4);
        for (const delivery of again) await end(delivery, { outcome: 'delivered', at: midnight });
        const left = deliveries.filter((delivery) => !again.includes(delivery));
        const ids = (rows: { id: string }[]) => rows.map(({ id }) => id).sort();
        for (const limit of [1, 2, 3, 200]) {
          for (const filter of [{ limit }, { limit, installationId: row.id }]) {
            expect(ids(await listAll({ ...filter, state: 'failed' }))).to.deep.equal(ids(left));
            expect(ids(await listAll({ ...filter, state: 'delivered' }))).to.deep.equal(ids(again));
            expect(ids(await listAll(filter))).to.deep.equal(ids(deliveries));
          }
        }
      });
    });

    describe('sweeping', () => {
      it('lets go of access tokens a day after they expire, however many there are', async () => {
        const row = await install();
        const grant = (await store.installations.findGrant(row.id))!;
        const hashes = await Promise.all(
          Array.from({ length: 1_001 }, () => mint(grant.id, grant.clientId)),
        );
        expect(await sweep(T + HOUR + DAY)).to.deep.equal({});
        expect((await store.tokens.check(hashes[0]!))?.expiresAt).to.equal(T + HOUR);
        expect(await sweep(T + HOUR + DAY + 1)).to.deep.equal({ oauth_access_tokens: 1_001 });
        expect(await store.tokens.check(hashes[0]!)).to.equal(undefined);
      });

      it('lets go of idempotency keys, and not of those still good', async () => {
        await store.events.publish([keyed('old', 'a'), keyed('new', 'b', { createdAt: T + DAY })]);
        expect(await sweep(T + 8 * DAY + 1)).to.deep.equal({ event_keys: 1 });
        const again = keyed('new', 'another', { createdAt: T + DAY });
        expect(await codeOf(store.events.publish([again]))).to.equal('idempotency_conflict');
      });

      it('lets go of handshakes that have ended, and not of one that runs', async () => {
        const row = await install();
        const refused = await begin(row, { at: T + SECOND });
        await store.installations.refuseHandshake(refused.id, T + SECOND);
        expect(await sweep(T + DAY, T)).to.deep.equal({});
        const running = await begin(await store.installations.find(row.id), { at: T + 2 * SECOND });
        expect(await sweep(T + DAY, T + DAY)).to.deep.equal({ handshakes: 2 });
        expect((await accept(running)).state).to.equal('enabled');
      });

      it('lets go of replays that have ended, long after what they owed, and not of those that owe', async () => {
        const row = await install();
        await publishAndFanOut(event(), event());
        for (const delivery of await owed(row.id))
          await store.deliveries.record({
            attempts: [attempted(delivery, { outcome: 'failed', reason: 'exhausted' })],
          });
        const replay = (own: Partial<NewReplay>): NewReplay => ({
          id: newId(),
          deliveryId: null,
          installationId: null,
          eventType: null,
          eventId: null,
          since: null,
          until: T + HOUR,
          outcomes: ['failed'],
          allowed: 'then-and-now',
          createdAt: T + HOUR,
          newIds: false,
          perSecond: 50,
          total: 0,
          alreadyDelivered: 0,
          ...own,
        });
        const [owing, empty] = [replay({}), replay({ eventType: 'issue:created' })];
        for (const { id, ...rest } of [owing, empty]) {
          await store.replays.create({ id, ...rest });
          await store.replays.advance(id, { most: 10, now: T + HOUR, expiresAfterMs: HOUR });
        }
        const at = T + HOUR + 4 * DAY;
        expect(await sweep(at + 9 * DAY, at)).not.to.have.property('replays');
        expect(await sweep(at + 9 * DAY, at + 1)).to.include({ replays: 1 });
        expect(await store.replays.find(empty.id)).to.equal(undefined);
        expect(await store.replays.find(owing.id)).to.include({ state: 'done', done: 2 });
        for (const delivery of await owed(row.id, T + DAY))
          await store.deliveries.record({
            attempts: [attempted(delivery, { outcome: 'delivered' })],
          });
        expect(await sweep(at + 9 * DAY, at + 1)).to.include({ replays: 1 });
      });

      it('lets go of lifecycle calls that have ended and their exchanges, and not of those owed', async () => {
        const row = await install();
        const goodbye = call(row.id, 'uninstalled');
        const enabled = call(row.id, 'enabled');
        await store.installations.setState(row.id, 'enabled', {
          at: T,
          subscriptions: [],
          call: enabled,
        });
        await store.lifecycle.record(enabled.id, { state: 'done' }, exchange(enabled));
        await store.installations.uninstall(row.id, T, goodbye);
        const later = exchange(goodbye, { at: T + SECOND });
        await store.lifecycle.record(goodbye.id, { state: 'owed', dueAt: T }, later);
        const swept = await sweep(T + DAY, T + SECOND);
        expect(swept).to.include({ lifecycle_calls: 1, lifecycle_exchanges: 1 });
        expect(await store.lifecycle.exchanges(row.id, 10)).to.deep.equal([later]);
        expect((await store.lifecycle.due(T, 10)).map(({ id }) => id)).to.deep.equal([goodbye.id]);
      });
    });
  });
}
