// A whole token check, from the Authorization header to the caller, to one bare read of the token's row.
import Database from 'better-sqlite3';
import { sha256 } from '../src/core/secrets.ts';
import { findCaller } from '../src/host/caller.ts';
import { perSecond, type Subject } from './rounds.ts';
import { type BenchHost, randomOf, type SeededToken } from './seeded-host.ts';

export function tokenCheck(
  host: BenchHost,
  database: string,
  tokens: SeededToken[],
  milliseconds: number,
): Subject & { close(): void } {
  const db = new Database(database, { readonly: true, fileMustExist: true });
  const read = db.prepare<[Buffer]>('SELECT * FROM oauth_access_tokens WHERE token_hash = ?');
  const headers = tokens.map(({ token }) => `Bearer ${token}`);
  const hashes = tokens.map(({ token }) => sha256(token));
  return {
    bench: 'token-check',
    of: 'prepared point read by primary key',
    unit: 'token checks/s',
    milliseconds,
    measured: (ms) =>
      perSecond(ms, 100, async (count) => {
        for (let i = 0; i < count; i++) {
          const decision = await findCaller(
            { authorization: randomOf(headers), method: 'GET', url: '/' },
            host.parts,
          );
          if (!('caller' in decision)) throw new Error('A good token was refused.');
        }
      }),
    baseline: (ms) =>
      perSecond(ms, 100, (count) => {
        for (let i = 0; i < count; i++) {
          if (read.get(randomOf(hashes)) === undefined) throw new Error('A token is not there.');
        }
      }),
    close: () => void db.close(),
  };
}
