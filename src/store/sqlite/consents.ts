// Requests to authorize, and sessions of Mortise's own pages.
import type { Database } from 'better-sqlite3';
import type { ConsentRow, SessionRow, SignInRow } from '../oauth-rows.ts';
import type { ConsentStore, SessionStore } from '../oauth-store.ts';
import type { Writer } from './writer.ts';

const COLUMNS = `id_hash AS idHash, client_id AS clientId, user_id AS userId, session_hash AS sessionHash, request,
  created_at AS createdAt, expires_at AS expiresAt`;

export function consentStore(db: Database, writer: Writer): ConsentStore {
  const insert = db.prepare<ConsentRow>(
    `INSERT INTO oauth_consents (id_hash, client_id, user_id, session_hash, request, created_at, expires_at)
     VALUES (@idHash, @clientId, @userId, @sessionHash, @request, @createdAt, @expiresAt)`,
  );
  const sweep = db.prepare(
    'DELETE FROM oauth_consents WHERE id_hash IN (SELECT id_hash FROM oauth_consents WHERE expires_at < ? LIMIT 100)',
  );
  const find = db.prepare<[Buffer, number], ConsentRow>(
    `SELECT ${COLUMNS} FROM oauth_consents WHERE id_hash = ? AND used_at IS NULL AND expires_at > ?`,
  );
  const take = db.prepare<Record<string, unknown>, ConsentRow>(
    `UPDATE oauth_consents SET used_at = @now
     WHERE id_hash = @idHash AND used_at IS NULL AND expires_at > @now AND user_id = @userId
       AND session_hash = @sessionHash
     RETURNING ${COLUMNS}`,
  );
  return {
    open: (consent) =>
      writer.write(() => {
        insert.run(consent);
        sweep.run(consent.createdAt);
      }),
    async find(idHash, now) {
      return find.get(idHash, now);
    },
    take: (idHash, userId, sessionHash, now) =>
      writer.write(() => take.get({ idHash, userId, sessionHash, now })),
  };
}

export function sessionStore(db: Database, writer: Writer): SessionStore {
  const insert = db.prepare(
    `INSERT INTO sessions (id_hash, user_id, user_name, is_operator, issuer, created_at, expires_at)
     VALUES (@idHash, @userId, @userName, @isOperator, @issuer, @createdAt, @expiresAt)`,
  );
  const sweep = db.prepare('DELETE FROM sessions WHERE expires_at < ?');
  const find = db.prepare<[Buffer, number], Omit<SessionRow, 'isOperator'> & { isOperator: 0 | 1 }>(
    `SELECT id_hash AS idHash, user_id AS userId, user_name AS userName, is_operator AS isOperator, issuer,
       created_at AS createdAt, expires_at AS expiresAt
     FROM sessions WHERE id_hash = ? AND expires_at > ?`,
  );
  const end = db.prepare('DELETE FROM sessions WHERE id_hash = ?');
  const begin = db.prepare<SignInRow>(
    `INSERT OR REPLACE INTO sign_ins (session_hash, state_hash, sealed, return_to, expires_at)
     VALUES (@sessionHash, @stateHash, @sealed, @returnTo, @expiresAt)`,
  );
  const sweepSignIns = db.prepare(
    'DELETE FROM sign_ins WHERE session_hash IN (SELECT session_hash FROM sign_ins WHERE expires_at < ? LIMIT 100)',
  );
  const take = db.prepare<[Buffer, Buffer, number], SignInRow>(
    `DELETE FROM sign_ins WHERE session_hash = ? AND state_hash = ? AND expires_at > ?
     RETURNING session_hash AS sessionHash, state_hash AS stateHash, sealed, return_to AS returnTo,
       expires_at AS expiresAt`,
  );
  return {
    open: (session) =>
      writer.write(() => {
        sweep.run(session.createdAt);
        insert.run({ ...session, isOperator: session.isOperator ? 1 : 0 });
      }),
    async find(idHash, now) {
      const row = find.get(idHash, now);
      return row && { ...row, isOperator: row.isOperator === 1 };
    },
    end: (idHash) => writer.write(() => void end.run(idHash)),
    beginSignIn: (signIn, now) =>
      writer.write(() => {
        sweepSignIns.run(now);
        begin.run(signIn);
      }),
    takeSignIn: (sessionHash, stateHash, now) =>
      writer.write(() => take.get(sessionHash, stateHash, now)),
  };
}
