// A whole token check, from the Authorization header to the caller, to one bare read of the token's row.
import Database from 'better-sqlite3';
import { sha256 } from '../src/core/secrets.ts';
import { findCaller } from '../src/host/caller.ts';
import { inProcess, type OpenRow } from './plan.ts';
import { perSecond } from './rounds.ts';
import { randomOf, seededHost } from './seeded-host.ts';

export const tokenCheck: OpenRow = async (plan) => {
  const { rounds, milliseconds } = inProcess(plan);
  const { host, database, tokens } = await seededHost(plan);
  const db = new Database(database, { readonly: true, fileMustExist: true });
  const read = db.prepare<[Buffer]>('SELECT * FROM oauth_access_tokens WHERE token_hash = ?');
  const headers = tokens.map(({ token }) => `Bearer ${token}`);
  const hashes = tokens.map(({ token }) => sha256(token));
  return {
    bench: 'token-check',
    of: 'prepared point read by primary key',
    unit: 'token checks/s',
    rounds,
    measured: () =>
      perSecond(milliseconds, 100, async (count) => {
        for (let i = 0; i < count; i++) {
          const decision = await findCaller(
            { authorization: randomOf(headers), method: 'GET', url: '/' },
            host.parts,
          );
          if (!('caller' in decision)) throw new Error('A good token was refused.');
        }
      }),
    baseline: () =>
      perSecond(milliseconds, 100, (count) => {
        for (let i = 0; i < count; i++) {
          if (read.get(randomOf(hashes)) === undefined) throw new Error('A token is not there.');
        }
      }),
    async close() {
      db.close();
      await host.close();
    },
  };
};
