// Codes, refresh tokens, request tokens, nonces and assertions on PostgreSQL: of many who use one at once, on two
// replicas, one gets something, and what it gets stands under the grant that is in force.
//
// Each seen red with the rule named in its comment taken out of store/postgres/.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import sql from 'sql-template-tag';
import { newId } from '../../src/core/ids.ts';
import { sha256 } from '../../src/core/secrets.ts';
import type { Rotation } from '../../src/store/oauth-rows.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { grantByUser, insertGrant, succeedGrant } from '../../src/store/postgres/grants.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import { insertAccessToken } from '../../src/store/postgres/tokens.ts';
import type { Store } from '../../src/store/store.ts';
import { migratedDatabase } from '../helpers/postgres.ts';

const T = Date.UTC(2026, 0, 31, 12);
const SECOND = 1_000;
const HOUR = 3_600_000;
/** PostgreSQL looks for a deadlock after 1 s, and one of the two is made again: both are done, but late. */
const DEADLOCK_MS = 1_000;

describe('OAuth at the same time on PostgreSQL', () => {
  let db: Database;
  let replicas: [Store, Store];
  let clientId: string;

  before(async () => {
    const url = await migratedDatabase();
    db = new Database(url);
    replicas = [openPostgres(url), openPostgres(url)];
    // Every connection of the pools is there before the first race.
    await crowd(12, (store) => store.clients.find('nobody'));
  });
  beforeEach(async () => {
    clientId = newId();
    await replicas[0].consumers.create({
      ...{ id: clientId, name: 'Consumer', redirectUris: [], eventsUri: null },
      ...{ scopes: ['repository', 'issue'], isPublic: false, ownerContext: 'acme' },
      ...{ ownerUser: null, secretHash: sha256('secret'), oauth1Secret: 'sealed' },
      ...{ ownGrantId: undefined, createdAt: T },
    });
  });
  after(async () => {
    for (const each of [db, ...replicas]) await each.close();
  });

  /** The answers of `n` who ask at once, half of them on each replica. */
  function crowd<Answer>(n: number, work: (store: Store, i: number) => Promise<Answer>) {
    return Promise.all(Array.from({ length: n }, (_, i) => work(replicas[i % 2]!, i)));
  }

  const kindsOf = (answers: { kind: string }[]) => answers.map(({ kind }) => kind).sort();

  const plan = (basedOn: string | null = null, userId = 'alice') => ({
    ...{ id: newId(), clientId, userId, scopes: ['repository', 'issue'], resources: null, basedOn },
  });

  async function issueCode(grant = plan()): Promise<{ codeHash: Buffer; grantId: string }> {
    const codeHash = sha256(newId());
    const code = { codeHash, redirectUri: null, codeChallenge: null, scopes: ['repository'] };
    const times = { createdAt: T, expiresAt: T + HOUR };
    const granted = await replicas[0].authorization.grantAndIssueCode(grant, { ...code, ...times });
    expect(granted).to.equal('granted');
    return { codeHash, grantId: grant.id };
  }

  const newTokens = (at = T) => ({
    accessTokenHash: sha256(newId()),
    refreshTokenHash: sha256(newId()),
    ...{ createdAt: at, accessExpiresAt: at + HOUR, refreshExpiresAt: at + 24 * HOUR },
  });

  function redeem(store: Store, codeHash: Buffer, tokens = newTokens()) {
    const family = { familyId: newId(), familyExpiresAt: null };
    const rules = { within: (scopes: string[]) => scopes, check: () => undefined };
    return store.authorization.redeemCode({ ...tokens, codeHash, clientId, ...family, ...rules });
  }

  function rotate(
    store: Store,
    tokenHash: Buffer,
    own: Partial<Rotation> = {},
    tokens = newTokens(),
  ) {
    const grace = { hasGrace: true, graceMs: 10 * SECOND };
    const narrow = (scopes: string[]) => ({ scopes });
    return store.authorization.rotate({ ...tokens, tokenHash, clientId, ...grace, narrow, ...own });
  }

  async function tokensOf(given: { codeHash: Buffer }): Promise<ReturnType<typeof newTokens>> {
    const tokens = newTokens();
    expect((await redeem(replicas[0], given.codeHash, tokens)).kind).to.equal('redeemed');
    return tokens;
  }

  const check = async (tokenHash: Buffer) => (await replicas[1].tokens.check(tokenHash))!;
  const inForce = () =>
    db.all<{ id: string; userId: string }>(sql`SELECT id, user_id AS "userId"
      FROM mortise.oauth_grants WHERE client_id = ${clientId} AND until IS NULL`);

  // FOR UPDATE in lockCode
  it('a code is redeemed once; the others end what the first was given', async () => {
    const { codeHash } = await issueCode();
    const minted = Array.from({ length: 8 }, () => newTokens());
    const answers = await crowd(8, (store, i) => redeem(store, codeHash, minted[i]));
    expect(kindsOf(answers)).to.deep.equal(['redeemed', ...Array(7).fill('reused')]);
    const { accessTokenHash, refreshTokenHash } =
      minted[answers.findIndex(({ kind }) => kind === 'redeemed')]!;
    expect((await check(accessTokenHash)).revokedAt).to.equal(T);
    expect((await rotate(replicas[1], refreshTokenHash)).kind).to.equal('refused');
  });

  // FOR UPDATE in lockRefreshToken
  it('a refresh token is rotated once; the others were too fast, and nothing ends', async () => {
    const first = await tokensOf(await issueCode());
    const minted = Array.from({ length: 8 }, () => newTokens());
    const answers = await crowd(8, (store, i) =>
      rotate(store, first.refreshTokenHash, {}, minted[i]),
    );
    expect(kindsOf(answers)).to.deep.equal([...Array(7).fill('raced'), 'rotated']);
    const second = minted[answers.findIndex(({ kind }) => kind === 'rotated')]!;
    for (const { accessTokenHash } of [first, second])
      expect((await check(accessTokenHash)).revokedAt).to.equal(null);
    expect((await rotate(replicas[1], second.refreshTokenHash)).kind).to.equal('rotated');
  });

  // hasGrace in judgeRefreshToken; FOR UPDATE in lockRefreshToken
  it('without grace two who use one refresh token end its family', async () => {
    const first = await tokensOf(await issueCode());
    const minted = Array.from({ length: 4 }, () => newTokens());
    const answers = await crowd(4, (store, i) =>
      rotate(store, first.refreshTokenHash, { hasGrace: false }, minted[i]),
    );
    expect(kindsOf(answers)).to.deep.equal(['refused', 'refused', 'reused', 'rotated']);
    const second = minted[answers.findIndex(({ kind }) => kind === 'rotated')]!;
    for (const { accessTokenHash } of [first, second])
      expect((await check(accessTokenHash)).revokedAt).to.equal(T);
    expect((await rotate(replicas[0], second.refreshTokenHash)).kind).to.equal('refused');
  });

  // the family in FOR UPDATE of lockRefreshToken
  it('a stolen refresh token ends its family, also what is being minted in it', async () => {
    for (let round = 0; round < 24; round++) {
      const first = await tokensOf(await issueCode(plan(null, newId())));
      const second = newTokens();
      await rotate(replicas[0], first.refreshTokenHash, {}, second);
      const third = newTokens(T + 20 * SECOND);
      const [owner] = await Promise.all([
        rotate(replicas[0], second.refreshTokenHash, {}, third),
        sleep(round % 6).then(() =>
          rotate(replicas[1], first.refreshTokenHash, {}, newTokens(T + 20 * SECOND)),
        ),
      ]);
      const minted = owner.kind === 'rotated' ? [first, second, third] : [first, second];
      for (const { accessTokenHash } of minted)
        expect((await check(accessTokenHash)).revokedAt, owner.kind).to.equal(T + 20 * SECOND);
      expect((await rotate(replicas[0], third.refreshTokenHash)).kind).to.equal('refused');
    }
  });

  // in endFamily the family first
  it('a code that comes again ends also what is being minted', async () => {
    for (let round = 0; round < 24; round++) {
      const given = await issueCode(plan(null, newId()));
      const first = await tokensOf(given);
      const second = newTokens();
      const [owner, thief] = await Promise.all([
        rotate(replicas[0], first.refreshTokenHash, {}, second),
        sleep(round % 6).then(() => redeem(replicas[1], given.codeHash)),
      ]);
      expect(thief.kind).to.equal('reused');
      const minted = owner.kind === 'rotated' ? [first, second] : [first];
      for (const { accessTokenHash } of minted)
        expect((await check(accessTokenHash)).revokedAt, owner.kind).to.equal(T);
    }
  });

  describe('while its grant is replaced', () => {
    /** Narrows the grant a little after `work` began, another moment every time. */
    async function whileNarrowed<Answer>(
      round: number,
      grantId: string,
      work: () => Promise<Answer>,
    ): Promise<Answer> {
      const [answer, isNarrowed] = await Promise.all([
        sleep(round % 3).then(work),
        sleep((round * 2) % 5).then(() =>
          replicas[1].grants.narrow(grantId, newId(), ['repository'], T + SECOND),
        ),
      ]);
      expect(isNarrowed).to.equal(true);
      return answer;
    }

    async function expectInForce(tokenHash: Buffer): Promise<void> {
      const { grant } = await check(tokenHash);
      expect(grant).to.deep.include({ until: null, scopes: ['repository'] });
    }

    it('a code gives tokens under the new one', async () => {
      for (let round = 0; round < 15; round++) {
        const { codeHash, grantId } = await issueCode(plan(null, newId()));
        const tokens = newTokens();
        const { kind } = await whileNarrowed(round, grantId, () =>
          redeem(replicas[0], codeHash, tokens),
        );
        expect(kind).to.equal('redeemed');
        await expectInForce(tokens.accessTokenHash);
        expect((await rotate(replicas[0], tokens.refreshTokenHash)).kind).to.equal('rotated');
      }
    });

    it('a refresh token gives its successor under the new one', async () => {
      for (let round = 0; round < 15; round++) {
        const given = await issueCode(plan(null, newId()));
        const { refreshTokenHash } = await tokensOf(given);
        const tokens = newTokens();
        const { kind } = await whileNarrowed(round, given.grantId, () =>
          rotate(replicas[0], refreshTokenHash, {}, tokens),
        );
        expect(kind).to.equal('rotated');
        await expectInForce(tokens.accessTokenHash);
      }
    });

    it('a request token gives an access token under the new one', async () => {
      for (let round = 0; round < 15; round++) {
        const grant = plan(null, newId());
        const hash = await requestToken();
        await replicas[0].oauth1.allow(hash, sha256('verifier'), grant, T);
        const accessTokenHash = sha256(newId());
        const { kind } = await whileNarrowed(round, grant.id, () =>
          exchange(replicas[0], hash, { accessTokenHash }),
        );
        expect(kind).to.equal('exchanged');
        const found = (await replicas[1].oauth1.findAccessToken(accessTokenHash))!;
        expect(found.grant).to.deep.include({ until: null, scopes: ['repository'] });
        expect(found.isNarrowed).to.equal(true);
      }
    });

    // FOR UPDATE in lockCode, lockRefreshToken and exchange
    it('whoever comes before that is committed waits for the new one', async () => {
      const code = await issueCode();
      const { refreshTokenHash } = await tokensOf(await issueCode(plan(code.grantId)));
      const grantId = (await inForce())[0]!.id;
      const unused = await issueCode(plan(grantId));
      const hash = await requestToken();
      const grant = plan(unused.grantId);
      await replicas[0].oauth1.allow(hash, sha256('verifier'), grant, T);
      const minted = [newTokens(), newTokens()] as const;
      const oauth1 = sha256(newId());
      let uses: Promise<{ kind: string }[]> | undefined;
      await db.transaction(async (tx) => {
        const next = { ...plan(), scopes: ['repository'] };
        await succeedGrant(tx, grant.id, next.id, T, 'narrowed');
        uses ??= Promise.all([
          redeem(replicas[0], unused.codeHash, minted[0]),
          rotate(replicas[1], refreshTokenHash, {}, minted[1]),
          exchange(replicas[0], hash, { accessTokenHash: oauth1 }),
        ]);
        // They wait; if they did not, they would be done long before.
        await Promise.race([uses, sleep(200)]);
        await insertGrant(tx, { ...next, kind: 'user', context: null, since: T });
      });
      expect(kindsOf((await uses)!)).to.deep.equal(['exchanged', 'redeemed', 'rotated']);
      for (const { accessTokenHash } of minted) await expectInForce(accessTokenHash);
      expect((await replicas[1].oauth1.findAccessToken(oauth1))!.grant.until).to.equal(null);
    });

    // As redeemCode, rotate and exchange lock and mint. In succeedGrant the first three moves before the last two
    const locks = {
      code: sql`SELECT 1 FROM mortise.oauth_codes WHERE used_at IS NULL FOR UPDATE`,
      'refresh token': sql`SELECT 1 FROM mortise.oauth_refresh_families FOR UPDATE`,
      'request token': sql`SELECT 1 FROM mortise.oauth1_request_tokens WHERE used_at IS NULL FOR UPDATE`,
    };
    for (const [title, lock] of Object.entries(locks)) {
      it(`whoever uses a ${title} is waited for, and what they mint moves to the new one`, async () => {
        const before = await issueCode();
        await tokensOf(before);
        const hash = await requestToken();
        const given = await issueCode(plan(before.grantId));
        const grant = plan(given.grantId);
        await replicas[0].oauth1.allow(hash, sha256('verifier'), grant, T);
        const oauth1 = sha256(newId());
        const { accessTokenHash } = newTokens();
        let narrowing: Promise<boolean> | undefined;
        await db.transaction(async (tx) => {
          await tx.run(lock);
          narrowing ??= replicas[1].grants.narrow(grant.id, newId(), ['repository'], T);
          await Promise.race([narrowing, sleep(150)]);
          const row = { grantId: grant.id, clientId, scopes: [], resources: null };
          const times = { createdAt: T, expiresAt: T + HOUR };
          await insertAccessToken(tx, { ...row, ...times, tokenHash: accessTokenHash });
          await tx.run(sql`INSERT INTO mortise.oauth1_access_tokens
              (token_hash, client_id, grant_id, secret, created_at)
            VALUES (${oauth1}, ${clientId}, ${grant.id}, '', ${T})`);
        });
        expect(await narrowing).to.equal(true);
        await expectInForce(accessTokenHash);
        expect((await replicas[1].oauth1.findAccessToken(oauth1))!.grant.until).to.equal(null);
      });
    }

    // in revokeRefreshToken, to look again after the grant has ended; and the grant before the family
    it('a refresh token that is revoked ends the new one, and nobody waits in a circle', async () => {
      const given = await issueCode();
      const { accessTokenHash, refreshTokenHash } = await tokensOf(given);
      let revocation: Promise<boolean> | undefined;
      const began = performance.now();
      await db.transaction(async (tx) => {
        await tx.run(
          sql`SELECT 1 FROM mortise.oauth_grants WHERE id = ${given.grantId} FOR UPDATE`,
        );
        revocation ??= replicas[0].authorization.revokeRefreshToken(refreshTokenHash, clientId, T);
        await sleep(150);
        expect(await grantByUser(tx, plan(given.grantId), T)).to.equal('granted');
      });
      expect(await revocation).to.equal(true);
      expect(performance.now() - began).to.be.below(DEADLOCK_MS);
      expect(await inForce()).to.deep.equal([]);
      expect((await check(accessTokenHash)).revokedAt).to.equal(T);
    });
  });

  async function requestToken(): Promise<Buffer> {
    const tokenHash = sha256(newId());
    const times = { createdAt: T, expiresAt: T + HOUR };
    const row = { tokenHash, clientId, secret: 'sealed', callback: 'oob', ...times };
    await replicas[0].oauth1.createRequestToken(row);
    return tokenHash;
  }

  async function allowedToken(): Promise<Buffer> {
    const hash = await requestToken();
    const granted = await replicas[0].oauth1.allow(
      hash,
      sha256('verifier'),
      plan(null, newId()),
      T,
    );
    expect(granted).to.equal('granted');
    return hash;
  }

  function exchange(
    store: Store,
    requestTokenHash: Buffer,
    { verifier = 'verifier', accessTokenHash = sha256(newId()) } = {},
  ) {
    return store.oauth1.exchange({
      ...{ requestTokenHash, clientId, verifierHash: sha256(verifier), mostWrongVerifiers: 5 },
      ...{ accessTokenHash, secret: 'sealed', createdAt: T },
    });
  }

  // FOR UPDATE in exchange
  it('a request token is exchanged once', async () => {
    const hash = await allowedToken();
    const answers = await crowd(8, (store) => exchange(store, hash));
    expect(kindsOf(answers)).to.deep.equal(['exchanged', ...Array(7).fill('refused')]);
  });

  // FOR UPDATE in exchange
  it('wrong verifiers are all counted', async () => {
    const guess = (store: Store, hash: Buffer, i: number) =>
      exchange(store, hash, { verifier: `guess ${i}` });
    const alive = await allowedToken();
    await crowd(4, (store, i) => guess(store, alive, i));
    expect((await exchange(replicas[0], alive)).kind).to.equal('exchanged');
    const dead = await allowedToken();
    const guesses = await crowd(10, (store, i) => guess(store, dead, i));
    expect(kindsOf(guesses)).to.deep.equal([
      ...Array(5).fill('refused'),
      ...Array(5).fill('wrong-verifier'),
    ]);
    expect((await exchange(replicas[0], dead)).kind).to.equal('refused');
  });

  // FOR UPDATE in allow
  it('a request token is allowed by one user', async () => {
    const hash = await requestToken();
    const answers = await crowd(6, (store, i) =>
      store.oauth1.allow(hash, sha256('verifier'), plan(null, `user ${i}`), T),
    );
    expect(answers.sort()).to.deep.equal(['granted', ...Array(5).fill('over')]);
    expect(await inForce()).to.have.length(1);
  });

  // lockClient before the token in allow
  it('who allows a request token and who closes OAuth 1 to its consumer do not wait in a circle', async () => {
    const hash = await requestToken();
    let answer: Promise<string> | undefined;
    const began = performance.now();
    // As consumers.change does it.
    await db.transaction(async (tx) => {
      await tx.run(sql`SELECT 1 FROM mortise.oauth_clients WHERE id = ${clientId} FOR UPDATE`);
      answer ??= replicas[0].oauth1.allow(hash, sha256('verifier'), plan(), T);
      await sleep(150);
      await tx.run(sql`UPDATE mortise.oauth1_request_tokens SET used_at = ${T}
        WHERE client_id = ${clientId} AND used_at IS NULL`);
    });
    expect(await answer).to.equal('over');
    expect(performance.now() - began).to.be.below(DEADLOCK_MS);
    expect(await inForce()).to.deep.equal([]);
  });

  // the primary key of oauth1_nonces
  it('a nonce is taken once', async () => {
    const nonce = { clientId, token: '', timestamp: T / SECOND, nonce: 'n' };
    const taken = await crowd(12, (store) => store.oauth1.takeNonce(nonce, T / SECOND - 300));
    expect(taken.filter(Boolean)).to.have.length(1);
  });

  // the time in deleteExpired
  it('nonces are forgotten with their time, and those still good are not', async () => {
    const use = (nonce: string, timestamp: number) =>
      replicas[0].oauth1.takeNonce({ clientId, token: '', timestamp, nonce }, timestamp - 300);
    await use('old', 1_000);
    await use('good', 1_200);
    await use('new', 1_400);
    const left = await db.all<{ nonce: string }>(
      sql`SELECT nonce FROM mortise.oauth1_nonces WHERE client_id = ${clientId} ORDER BY nonce`,
    );
    expect(left.map(({ nonce }) => nonce)).to.deep.equal(['good', 'new']);
  });

  // the primary key of oauth_assertions; a.expires_at < now
  it('an assertion is taken once, and once more when the first has expired', async () => {
    const jti = sha256(newId());
    const take = (at: number) =>
      crowd(12, (store) => store.authorization.takeAssertion('issuer', jti, at, at + 60 * SECOND));
    expect((await take(T)).filter(Boolean)).to.have.length(1);
    expect((await take(T + 60 * SECOND)).filter(Boolean)).to.have.length(0);
    expect((await take(T + 61 * SECOND)).filter(Boolean)).to.have.length(1);
    const again = replicas[0].authorization.takeAssertion(
      'issuer',
      jti,
      T + 122 * SECOND,
      T + HOUR,
    );
    expect(await again).to.equal(true);
  });

  // issuer in the key of deleteExpired
  it('an assertion is not forgotten because another issuer’s of the same jti has expired', async () => {
    const jti = sha256(newId());
    const take = (issuer: string, at: number, until: number) =>
      replicas[0].authorization.takeAssertion(issuer, jti, at, until);
    await take('one', T, T + SECOND);
    await take('other', T, T + HOUR);
    await take('third', T + 2 * SECOND, T + HOUR);
    const left = await db.all<{ issuer: string }>(
      sql`SELECT issuer FROM mortise.oauth_assertions WHERE jti_hash = ${jti} ORDER BY issuer`,
    );
    expect(left.map(({ issuer }) => issuer)).to.deep.equal(['other', 'third']);
  });

  // one statement in check and in findAccessToken
  it('a token is checked in one round trip', async () => {
    const { accessTokenHash } = await tokensOf(await issueCode());
    const oauth1 = sha256(newId());
    const allowed = await allowedToken();
    await exchange(replicas[0], allowed, { accessTokenHash: oauth1 });
    const { query } = pg.Client.prototype;
    let queries = 0;
    pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
      queries++;
      return query.apply(this, given as never);
    } as never;
    try {
      expect(await replicas[0].tokens.check(accessTokenHash)).not.to.equal(undefined);
      expect(queries).to.equal(1);
      expect(await replicas[0].oauth1.findAccessToken(oauth1)).not.to.equal(undefined);
      expect(queries).to.equal(2);
    } finally {
      pg.Client.prototype.query = query;
    }
  });
});
