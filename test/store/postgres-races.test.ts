// What SQLite's one writer gives for free: of many who do a thing at once, on two replicas, as many succeed as may.
//
// Each seen red with the rule named in its comment taken out of store/postgres/.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import sql from 'sql-template-tag';
import { newId } from '../../src/core/ids.ts';
import { sha256 } from '../../src/core/secrets.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { lockFanOut, lockSubscriptions } from '../../src/store/postgres/fan-out-lock.ts';
import { grantByUser } from '../../src/store/postgres/grants.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { HandshakeProposal, InstallationRow } from '../../src/store/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { migratedDatabase } from '../helpers/postgres.ts';

const T = Date.UTC(2026, 0, 31, 12);
const HOUR = 3_600_000;
const ROUNDS = 12;

describe('at the same time on PostgreSQL', () => {
  let db: Database;
  let replicas: Store[];

  before(async () => {
    const url = await migratedDatabase();
    db = new Database(url);
    replicas = [openPostgres(url), openPostgres(url)];
    // Every connection of the pools is there before the first race.
    await crowd(8, (store) => store.clients.find('nobody'));
  });
  after(async () => {
    for (const each of [db, ...replicas]) await each.close();
  });

  /** The answers of `n` who ask at once, half of them on each replica. */
  function crowd<T>(n: number, work: (store: Store, i: number) => Promise<T>): Promise<T[]> {
    return Promise.all(Array.from({ length: n }, (_, i) => work(replicas[i % 2]!, i)));
  }

  function proposalFor(own: Partial<HandshakeProposal> = {}): HandshakeProposal {
    const id = newId();
    return {
      id,
      installationId: newId(),
      expectedEpoch: null,
      addonKey: `addon ${id}`,
      context: 'acme',
      clientKey: `mck_${id}`,
      oauthClientId: `mcl_${id}`,
      oauthSecretHash: sha256(id),
      grantId: newId(),
      scopes: ['repository', 'issue'],
      resources: null,
      descriptorUrl: null,
      baseUrl: 'https://addon.example',
      descriptor: '{"lifecycle":{"authorizationRevoked":"/revoked"}}',
      descriptorDigest: 'digest',
      candidateSecrets: 'sealed',
      holder: newId(),
      at: T,
      deadline: T + 45_000,
      ...own,
    };
  }

  async function install(): Promise<InstallationRow> {
    const proposal = proposalFor();
    await replicas[0]!.installations.beginHandshake(proposal);
    return replicas[0]!.installations.acceptHandshake(proposal.id, {
      at: T,
      webhooks: [],
      subscriptions: [],
    });
  }

  async function consumer(eventsUri: string | null = null): Promise<string> {
    const id = newId();
    await replicas[0]!.consumers.create({
      ...{ id, name: 'Consumer', redirectUris: [], eventsUri, scopes: ['repository'] },
      ...{ isPublic: false, ownerContext: 'acme', ownerUser: null, secretHash: sha256(id) },
      ...{ oauth1Secret: null, ownGrantId: newId(), createdAt: T },
    });
    return id;
  }

  const grant = (clientId: string, userId: string, basedOn: string | null = null) => {
    const planned = { id: newId(), clientId, userId, scopes: ['repository'], resources: null };
    return db.transaction((tx) => grantByUser(tx, { ...planned, basedOn }, T));
  };

  const inForce = (condition: ReturnType<typeof sql>) =>
    db.all<{ id: string; scopes: string }>(
      sql`SELECT id, scopes FROM mortise.oauth_grants WHERE until IS NULL AND ${condition}`,
    );

  // LOCK TABLE
  it('there is one first install key', async () => {
    const kids = await crowd(8, (store, i) =>
      store.installKeys
        .addFirst({ kid: `kid ${i}`, publicPem: 'p', privateSealed: 's', createdAt: T })
        .then(({ kid }) => kid),
    );
    expect(new Set(kids).size).to.equal(1);
    expect(await replicas[0]!.installKeys.list()).to.have.length(1);
  });

  // lockAddonKey
  it('one handshake begins for a new add-on', async () => {
    const addonKey = newId();
    const begun = await crowd(8, (store) =>
      store.installations.beginHandshake(proposalFor({ addonKey })),
    );
    expect(begun.filter((one) => one !== undefined)).to.have.length(1);
  });

  // lockAddonKey
  it('one origin takes an add-on’s key, in whatever context', async () => {
    const addonKey = newId();
    const begun = await crowd(8, (store, i) =>
      store.installations.beginHandshake(
        proposalFor({ addonKey, context: `context ${i}`, baseUrl: `https://${i}.example` }),
      ),
    );
    expect(begun.filter((one) => one && 'id' in one)).to.have.length(1);
    expect(begun.filter((one) => one && 'takenBy' in one)).to.have.length(7);
  });

  // lockInstallation in uninstall
  it('an uninstall happens once, with one goodbye', async () => {
    const { id } = await install();
    const uninstalled = await crowd(6, (store) => {
      const goodbye = { id: newId(), installationId: id, kind: 'uninstalled' as const };
      return store.installations.uninstall(id, T, {
        ...goodbye,
        attempts: 0,
        dueAt: T,
        createdAt: T,
      });
    });
    expect(uninstalled.filter(Boolean)).to.have.length(1);
    const owed = sql`SELECT 1 FROM mortise.lifecycle_calls WHERE installation_id = ${id} AND state = 'owed'`;
    expect(await db.all(owed)).to.have.length(1);
  });

  // FOR UPDATE in beginHandshake
  it('a handshake does not begin beside a call that is under way', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { id, addonKey, epoch } = await install();
      const again = { installationId: id, addonKey, expectedEpoch: epoch };
      const [begun, ...held] = await Promise.all([
        replicas[0]!.installations.beginHandshake(proposalFor(again)),
        ...Array.from({ length: 3 }, (_, i) =>
          replicas[1]!.lifecycle.hold(id, `holder ${i}`, T, T + HOUR),
        ),
      ]);
      expect([begun !== undefined, ...held].filter(Boolean)).to.have.length(1);
    }
  });

  // lockAddonKey
  it('one handshake begins for an installed add-on', async () => {
    const { id, addonKey, epoch } = await install();
    const again = { installationId: id, addonKey, expectedEpoch: epoch };
    const begun = await crowd(8, (store) => store.installations.beginHandshake(proposalFor(again)));
    expect(begun.filter((one) => one !== undefined)).to.have.length(1);
  });

  // lockInstallation in lockUnended
  it('a handshake is accepted once', async () => {
    const proposal = proposalFor();
    await replicas[0]!.installations.beginHandshake(proposal);
    const change = { at: T, webhooks: [], subscriptions: [] };
    const ends = await Promise.allSettled(
      Array.from({ length: 6 }, (_, i) =>
        replicas[i % 2]!.installations.acceptHandshake(proposal.id, change),
      ),
    );
    const accepted = ends.filter((end) => end.status === 'fulfilled');
    expect(accepted.map(({ value }) => value.descriptorVersion)).to.deep.equal([1]);
    const refused = ends.filter((end) => end.status === 'rejected');
    for (const { reason } of refused) expect(reason.code).to.equal('install_cancelled');
  });

  // lockInstallation in uninstall, in lockUnended
  it('an uninstall leaves nothing in force, though a re-install says yes', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { id, addonKey, epoch } = await install();
      const again = proposalFor({ installationId: id, addonKey, expectedEpoch: epoch });
      await replicas[0]!.installations.beginHandshake(again);
      const webhookId = `hook of ${id}`;
      const webhook = { id: webhookId, installationId: id, event: '*', url: 'https://a.example' };
      const accept = replicas[0]!.installations
        .acceptHandshake(again.id, {
          at: T,
          webhooks: [{ ...webhook, since: T, until: null, offSince: null, sinceSeq: 0 }],
          subscriptions: [{ eventType: 'repo:push', webhookId }],
        })
        .catch(({ code }) => code);
      const [, isUninstalled] = await Promise.all([
        accept,
        replicas[1]!.installations.uninstall(id, T, undefined),
      ]);
      expect(isUninstalled).to.equal(true);
      expect((await replicas[0]!.installations.find(id))!.state).to.equal('uninstalled');
      expect(await inForce(sql`installation_id = ${id}`)).to.deep.equal([]);
      const rows = sql`SELECT 1 FROM mortise.subscriptions WHERE installation_id = ${id}`;
      expect(await db.all(rows)).to.deep.equal([]);
      expect(await replicas[0]!.installations.findWebhooks(id)).to.deep.equal([]);
    }
  });

  // the epoch in the UPDATE of change()
  it('one change is made of those that have seen the same epoch', async () => {
    const { id, epoch } = await install();
    const changes = await crowd(8, (store, i) => {
      const change = { at: T, subscriptions: [], expectedEpoch: epoch };
      return i % 4 < 2
        ? store.installations.setState(id, 'disabled', change)
        : store.installations.setGrant(id, { id: newId(), scopes: [], resources: null }, change);
    });
    expect(changes.filter((one) => one !== undefined)).to.have.length(1);
    expect(await inForce(sql`installation_id = ${id}`)).to.have.length(1);
  });

  // lockInstallation in setGrant
  it('grants of an installation follow each other, none is left beside', async () => {
    const { id } = await install();
    const change = { at: T, subscriptions: [] };
    const changes = await crowd(6, (store) =>
      store.installations.setGrant(id, { id: newId(), scopes: [], resources: null }, change),
    );
    expect(changes.every((one) => one !== undefined)).to.equal(true);
    expect(await inForce(sql`installation_id = ${id}`)).to.have.length(1);
  });

  // FOR SHARE in actAs
  it('nobody acts as a user under a wider grant than the installation has', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const { id } = await install();
      const own = (await replicas[0]!.installations.findGrant(id))!;
      await Promise.all([
        ...['alice', 'bob', 'carol'].map((user) =>
          replicas[0]!.grants.actAs(own, user, newId(), T),
        ),
        replicas[1]!.installations.setGrant(
          id,
          { id: newId(), scopes: ['issue'], resources: null },
          { at: T, subscriptions: [] },
        ),
      ]);
      expect(await inForce(sql`installation_id = ${id} AND kind = 'act_as_user'`)).to.deep.equal(
        [],
      );
    }
  });

  // lockUser in actAs
  it('there is one grant under which an installation acts as a user', async () => {
    const own = (await replicas[0]!.installations.findGrant((await install()).id))!;
    const grants = await crowd(8, (store) => store.grants.actAs(own, 'alice', newId(), T));
    expect(new Set(grants.map((one) => one!.id)).size).to.equal(1);
  });

  // the call_held_until in the UPDATE
  it('one holds an installation', async () => {
    const { id } = await install();
    const held = await crowd(8, (store, i) => store.lifecycle.hold(id, `${i}`, T, T + HOUR));
    expect(held.filter(Boolean)).to.have.length(1);
  });

  it('a recovery is told once', async () => {
    const { id, epoch } = await install();
    await replicas[0]!.installations.recover(id, {
      at: T,
      expectedEpoch: epoch,
      subscriptions: [],
    });
    const told = await crowd(8, (store) => store.installations.takeRecovered());
    expect(told.flat()).to.deep.equal([id]);
  });

  // used_at IS NULL in take
  it('a consent is taken once, and so is a sign-in', async () => {
    const hash = sha256(newId());
    await replicas[0]!.consents.open({
      ...{ idHash: hash, clientId: 'c', userId: 'alice', sessionHash: hash, request: '{}' },
      ...{ createdAt: T, expiresAt: T + HOUR },
    });
    const consents = await crowd(12, (store) => store.consents.take(hash, 'alice', hash, T));
    expect(consents.filter((one) => one !== undefined)).to.have.length(1);
    const signIn = { sessionHash: hash, stateHash: hash, sealed: 's', returnTo: '/' };
    await replicas[0]!.sessions.beginSignIn({ ...signIn, expiresAt: T + HOUR }, T);
    const signIns = await crowd(12, (store) => store.sessions.takeSignIn(hash, hash, T));
    expect(signIns.filter((one) => one !== undefined)).to.have.length(1);
  });

  // lockUser in grantByUser, and the comparison
  it('of grants that were planned from the same, one is given', async () => {
    const clientId = await consumer();
    const first = await Promise.all(Array.from({ length: 6 }, () => grant(clientId, 'alice')));
    expect(first.filter((one) => one === 'granted')).to.have.length(1);
    const { id } = (await inForce(sql`client_id = ${clientId} AND kind = 'user'`))[0]!;
    const next = await Promise.all(Array.from({ length: 6 }, () => grant(clientId, 'alice', id)));
    expect(next.sort()).to.deep.equal([...Array(5).fill('changed'), 'granted']);
  });

  // lockUser in grantByUser
  it('a user who is deactivated has nothing granted', async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => consumer()));
    for (let round = 0; round < ROUNDS; round++) {
      const user = newId();
      await Promise.all([
        ...clients.map((clientId) => grant(clientId, user)),
        replicas[1]!.grants.deactivateUser(user, T),
      ]);
      expect(await inForce(sql`user_id = ${user}`)).to.deep.equal([]);
    }
  });

  // FOR SHARE in grantByUser
  it('a consumer that is removed has nothing that was being granted', async () => {
    const clientId = await consumer();
    let removal: Promise<boolean> | undefined;
    await db.transaction(async (tx) => {
      const planned = { id: newId(), clientId, userId: 'alice', scopes: [], resources: null };
      await grantByUser(tx, { ...planned, basedOn: null }, T);
      removal = replicas[0]!.consumers.remove(clientId, T);
      // It waits; if it did not, it would be done long before.
      await Promise.race([removal, sleep(200)]);
    });
    expect(await removal).to.equal(true);
    expect(await inForce(sql`client_id = ${clientId}`)).to.deep.equal([]);
  });

  // lockGrant in end
  it('a grant ends once, and its client is owed word of it once', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const clientId = await consumer('https://client.example/events');
      const user = newId();
      await grant(clientId, user);
      const { id } = (await inForce(sql`user_id = ${user}`))[0]!;
      const deactivation = replicas[0]!.grants.deactivateUser(user, T);
      const ends = await crowd(4, (store) => store.grants.end(id, T, 'revoked_by_user'));
      expect(ends.filter(Boolean).length + (await deactivation)).to.equal(1);
      const events = await replicas[0]!.securityEvents.list({ clientId, limit: 9 });
      expect(events.map((event) => event.id)).to.deep.equal([id]);
    }
  });

  // FOR UPDATE in consumers.change
  it('changes of a consumer lose nothing of each other, and leave one own grant', async () => {
    const id = await consumer();
    await Promise.all([
      replicas[0]!.consumers.change(id, { name: 'New', ownGrantId: newId() }, T),
      replicas[1]!.consumers.change(id, { eventsUri: 'https://c.example', ownGrantId: newId() }, T),
      ...['issue', 'account', 'wiki'].map((scope, i) =>
        replicas[i % 2]!.consumers.change(id, { scopes: [scope], ownGrantId: newId() }, T),
      ),
    ]);
    const now = (await replicas[0]!.consumers.find(id))!;
    expect(now).to.include({ name: 'New', eventsUri: 'https://c.example' });
    const own = await inForce(sql`client_id = ${id}`);
    expect(own.map(({ scopes }) => JSON.parse(scopes))).to.deep.equal([now.scopes]);
  });

  describe('an event’s number', () => {
    const publish = sql`INSERT INTO mortise.outbox (bucket, event_id, event_type, event_at, context)
      VALUES (0, ${newId()}, 'repo:push', ${T}, 'acme') RETURNING seq`;
    const lastSeq = () => db.transaction((tx) => lockFanOut(tx));

    it('that was given counts though it is not committed, and is not given again', async () => {
      const before = await lastSeq();
      let meanwhile = 0;
      const undone = db.transaction(async (tx) => {
        await tx.run(publish);
        meanwhile = await lastSeq();
        throw new Error('the product changed its mind');
      });
      await undone.catch(() => undefined);
      expect(meanwhile).to.equal(before + 1);
      const row = await db.transaction((tx) => tx.get<{ seq: number }>(publish));
      expect(row!.seq).to.equal(before + 2);
    });

    it('does not wait for who changes subscriptions; fan-out does, and sees what they changed', async () => {
      const order: string[] = [];
      let fanOut: Promise<void> | undefined;
      await db.transaction(async (tx) => {
        const last = await lockFanOut(tx);
        fanOut = db.transaction(async (other) => {
          await lockSubscriptions(other);
          const seen = await other.get(
            sql`SELECT 1 FROM mortise.recoveries WHERE installation_id = 'seen'`,
          );
          order.push(`fan-out, which sees ${seen === undefined ? 'nothing' : 'it'}`);
        });
        const row = await db.transaction((other) => other.get<{ seq: number }>(publish));
        expect(row!.seq).to.equal(last + 1);
        order.push('publish');
        await tx.run(
          sql`INSERT INTO mortise.recoveries (bucket, installation_id) VALUES (0, 'seen')`,
        );
        order.push('change');
      });
      await fanOut;
      expect(order).to.deep.equal(['publish', 'change', 'fan-out, which sees it']);
    });

    it('lets many fan out together', async () => {
      await db.transaction(async (tx) => {
        await lockSubscriptions(tx);
        await db.transaction((other) => lockSubscriptions(other));
      });
    });
  });

  describe('transactions', () => {
    it('that deadlock are made again, so that both are done', async () => {
      await db.run(sql`INSERT INTO mortise.settings (name, value) VALUES ('a', ''), ('b', '')`);
      const append = (name: string, text: string) =>
        sql`UPDATE mortise.settings SET value = value || ${text}::text WHERE name = ${name}`;
      let runs = 0;
      let holding = 0;
      let both: () => void;
      const bothHoldOne = new Promise<void>((resolve) => {
        both = resolve;
      });
      const inOrder = (text: string, [one, other]: [string, string]) =>
        db.transaction(async (tx) => {
          runs++;
          await tx.run(append(one, text));
          if (++holding === 2) both();
          await bothHoldOne;
          await tx.run(append(other, text));
        });
      await Promise.all([inOrder('x', ['a', 'b']), inOrder('y', ['b', 'a'])]);
      expect(runs).to.equal(3);
      const rows = await db.all<{ value: string }>(
        sql`SELECT value FROM mortise.settings WHERE name IN ('a', 'b')`,
      );
      for (const { value } of rows) expect([...value].sort().join('')).to.equal('xy');
    });

    it('of which one statement has failed are not taken for committed', async () => {
      const swallowed = db.transaction(async (tx) => {
        await tx.run(sql`INSERT INTO mortise.settings (name, value) VALUES ('swallowed', '')`);
        await tx.run(sql`SELECT 1 / 0`).catch(() => undefined);
      });
      expect(await swallowed.catch((error) => error.message)).to.match(/nothing was committed/);
    });

    it('leave nothing behind in a session that a pooler would give to another', async () => {
      const one = new Database(await migratedDatabase());
      await one.transaction((tx) => lockFanOut(tx));
      const left = await one.get(sql`SELECT current_setting('lock_timeout') AS lock,
        current_setting('idle_in_transaction_session_timeout') AS idle,
        (SELECT count(*) FROM pg_prepared_statements) AS prepared,
        (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
          WHERE d.datname = current_database() AND locktype = 'advisory') AS locks`);
      expect(left).to.deep.equal({ lock: '0', idle: '0', prepared: 0, locks: 0 });
      await one.close();
    });

    it('wait for the disk, however the server is set', async () => {
      await db.run(sql`SELECT 1`);
      const set = await db.transaction((tx) =>
        tx.get(sql`SELECT current_setting('synchronous_commit') AS commit,
          current_setting('transaction_isolation') AS isolation, current_setting('lock_timeout') AS lock`),
      );
      expect(set).to.deep.equal({ commit: 'on', isolation: 'read committed', lock: '10s' });
    });
  });
});
