import { expect } from 'chai';
import { openSqlite } from '../../src/store/sqlite/open.ts';

describe('a consent', () => {
  it('is taken once, by its user, in its session, in its time', async () => {
    const store = openSqlite(':memory:');
    const idHash = Buffer.alloc(32, 1);
    const sessionHash = Buffer.alloc(32, 2);
    await store.consents.open({
      idHash,
      clientId: 'c',
      userId: 'alice',
      sessionHash,
      request: '{}',
      createdAt: 1,
      expiresAt: 100,
    });
    const take = async (user: string, session: Buffer, now: number) =>
      (await store.consents.take(idHash, user, session, now)) !== undefined;
    expect(await take('bob', sessionHash, 50)).to.equal(false);
    expect(await take('alice', Buffer.alloc(32, 3), 50)).to.equal(false);
    expect(await take('alice', sessionHash, 100)).to.equal(false);
    expect(await take('alice', sessionHash, 50)).to.equal(true);
    expect(await take('alice', sessionHash, 50)).to.equal(false);
    await store.close();
  });
});
