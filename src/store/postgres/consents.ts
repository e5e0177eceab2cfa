// Requests to authorize, and sessions of Mortise's own pages.
import sql, { raw } from 'sql-template-tag';
import type { ConsentRow, SessionRow, SignInRow } from '../oauth-rows.ts';
import type { ConsentStore, SessionStore } from '../oauth-store.ts';
import type { Database } from './database.ts';
import { deleteExpired } from './expired.ts';

const COLUMNS =
  raw(`id_hash AS "idHash", client_id AS "clientId", user_id AS "userId", session_hash AS "sessionHash",
  request, created_at AS "createdAt", expires_at AS "expiresAt"`);

export function consentStore(db: Database): ConsentStore {
  return {
    open: (consent) =>
      db.transaction(async (tx) => {
        await tx.run(sql`INSERT INTO mortise.oauth_consents
            (id_hash, client_id, user_id, session_hash, request, created_at, expires_at)
          VALUES (${consent.idHash}, ${consent.clientId}, ${consent.userId}, ${consent.sessionHash}, ${consent.request},
            ${consent.createdAt}, ${consent.expiresAt})`);
        await deleteExpired(tx, 'oauth_consents', 'id_hash', consent.createdAt);
      }),
    find: (idHash, now) =>
      db.get<ConsentRow>(sql`SELECT ${COLUMNS} FROM mortise.oauth_consents
        WHERE id_hash = ${idHash} AND used_at IS NULL AND expires_at > ${now}`),
    take: (idHash, userId, sessionHash, now) =>
      db.transaction((tx) =>
        tx.get<ConsentRow>(sql`UPDATE mortise.oauth_consents SET used_at = ${now}
          WHERE id_hash = ${idHash} AND used_at IS NULL AND expires_at > ${now} AND user_id = ${userId}
            AND session_hash = ${sessionHash}
          RETURNING ${COLUMNS}`),
      ),
  };
}

export function sessionStore(db: Database): SessionStore {
  return {
    open: (session) =>
      db.transaction(async (tx) => {
        await deleteExpired(tx, 'sessions', 'id_hash', session.createdAt);
        await tx.run(sql`INSERT INTO mortise.sessions
            (id_hash, user_id, user_name, is_operator, issuer, created_at, expires_at)
          VALUES (${session.idHash}, ${session.userId}, ${session.userName}, ${session.isOperator}, ${session.issuer},
            ${session.createdAt}, ${session.expiresAt})`);
      }),
    find: (idHash, now) =>
      db.get<SessionRow>(sql`SELECT id_hash AS "idHash", user_id AS "userId", user_name AS "userName",
          is_operator AS "isOperator", issuer, created_at AS "createdAt", expires_at AS "expiresAt"
        FROM mortise.sessions WHERE id_hash = ${idHash} AND expires_at > ${now}`),
    async end(idHash) {
      await db.run(sql`DELETE FROM mortise.sessions WHERE id_hash = ${idHash}`);
    },
    beginSignIn: (signIn, now) =>
      db.transaction(async (tx) => {
        await deleteExpired(tx, 'sign_ins', 'session_hash', now);
        await tx.run(sql`INSERT INTO mortise.sign_ins (session_hash, state_hash, sealed, return_to, expires_at)
          VALUES (${signIn.sessionHash}, ${signIn.stateHash}, ${signIn.sealed}, ${signIn.returnTo}, ${signIn.expiresAt})
          ON CONFLICT (session_hash) DO UPDATE SET state_hash = excluded.state_hash, sealed = excluded.sealed,
            return_to = excluded.return_to, expires_at = excluded.expires_at`);
      }),
    takeSignIn: (sessionHash, stateHash, now) =>
      db.transaction((tx) =>
        tx.get<SignInRow>(sql`DELETE FROM mortise.sign_ins
          WHERE session_hash = ${sessionHash} AND state_hash = ${stateHash} AND expires_at > ${now}
          RETURNING session_hash AS "sessionHash", state_hash AS "stateHash", sealed, return_to AS "returnTo",
            expires_at AS "expiresAt"`),
      ),
  };
}
