// OAuth 1.0a: request tokens, each answered and exchanged once, with its row locked; access tokens under a grant; nonces.
import sql from 'sql-template-tag';
import { type ConsumerRow, readConsumer } from '../oauth1-consumer.ts';
import type { Exchanged, FoundRequestToken, Oauth1Token } from '../oauth1-rows.ts';
import type { Oauth1Store } from '../oauth1-store.ts';
import type { Database } from './database.ts';
import { deleteExpired } from './expired.ts';
import {
  findGrant,
  GRANT_COLUMNS,
  grantByUser,
  lockClient,
  type RawGrant,
  readGrant,
} from './grants.ts';
import { lockUser } from './locks.ts';
import type { Queries } from './queries.ts';

interface RequestTokenToExchange {
  verifierHash: Buffer | null;
  grantId: string | null;
  wrongVerifiers: number;
}

export function oauth1Store(db: Database): Oauth1Store {
  return {
    async findConsumer(id) {
      const row =
        await db.get<ConsumerRow>(sql`SELECT id, name, scopes, redirect_uris AS "redirectUris", oauth1_secret AS secret,
          previous_oauth1_secret AS "previousSecret", previous_secret_until AS "previousUntil"
        FROM mortise.oauth_clients
        WHERE id = ${id} AND kind = 'consumer' AND enabled AND deleted_at IS NULL AND oauth1_secret IS NOT NULL`);
      return row && readConsumer(row);
    },
    createRequestToken: (token) =>
      db.transaction(async (tx) => {
        await deleteExpired(tx, 'oauth1_request_tokens', 'token_hash', token.createdAt);
        await tx.run(sql`INSERT INTO mortise.oauth1_request_tokens
            (token_hash, client_id, secret, callback, created_at, expires_at)
          VALUES (${token.tokenHash}, ${token.clientId}, ${token.secret}, ${token.callback}, ${token.createdAt},
            ${token.expiresAt})`);
      }),
    findRequestToken: (tokenHash, now) =>
      db.get<FoundRequestToken>(sql`SELECT token_hash AS "tokenHash", client_id AS "clientId", secret, callback,
          created_at AS "createdAt", expires_at AS "expiresAt", verifier_hash IS NOT NULL AS "isAllowed"
        FROM mortise.oauth1_request_tokens
        WHERE token_hash = ${tokenHash} AND used_at IS NULL AND expires_at > ${now}`),
    allow: (tokenHash, verifierHash, grant, at) =>
      db.transaction(async (tx) => {
        // User and client before the token, as everybody locks them who ends what a consumer has.
        await lockUser(tx, grant.userId);
        await lockClient(tx, grant.clientId);
        const open = await tx.get(sql`SELECT 1 FROM mortise.oauth1_request_tokens
          WHERE token_hash = ${tokenHash} AND client_id = ${grant.clientId} AND used_at IS NULL
            AND verifier_hash IS NULL AND expires_at > ${at} FOR UPDATE`);
        if (!open) return 'over';
        const granted = await grantByUser(tx, grant, at);
        if (granted !== 'granted') return granted;
        await tx.run(sql`UPDATE mortise.oauth1_request_tokens SET verifier_hash = ${verifierHash}, grant_id = ${grant.id}
          WHERE token_hash = ${tokenHash}`);
        return granted;
      }),
    deny: (tokenHash, at) => db.transaction((tx) => use(tx, tokenHash, at)),
    exchange: (exchange) =>
      db.transaction(async (tx): Promise<Exchanged> => {
        const { requestTokenHash: hash, clientId, createdAt } = exchange;
        const token =
          await tx.get<RequestTokenToExchange>(sql`SELECT verifier_hash AS "verifierHash",
            grant_id AS "grantId", wrong_verifiers AS "wrongVerifiers"
          FROM mortise.oauth1_request_tokens
          WHERE token_hash = ${hash} AND client_id = ${clientId} AND used_at IS NULL AND expires_at > ${createdAt}
          FOR UPDATE`);
        if (!token?.verifierHash || token.grantId === null) return { kind: 'refused' };
        if (!token.verifierHash.equals(exchange.verifierHash)) {
          await tx.run(sql`UPDATE mortise.oauth1_request_tokens SET wrong_verifiers = wrong_verifiers + 1
            WHERE token_hash = ${hash}`);
          if (token.wrongVerifiers + 1 >= exchange.mostWrongVerifiers)
            await use(tx, hash, createdAt);
          return { kind: 'wrong-verifier' };
        }
        // Read by itself, after the lock: who has replaced it meanwhile has moved the request token to the new one.
        const grant = await findGrant(tx, token.grantId);
        if (!grant || grant.until !== null) return { kind: 'refused' };
        await use(tx, hash, createdAt);
        await tx.run(sql`INSERT INTO mortise.oauth1_access_tokens (token_hash, client_id, grant_id, secret, created_at)
          VALUES (${exchange.accessTokenHash}, ${clientId}, ${grant.id}, ${exchange.secret}, ${createdAt})`);
        return { kind: 'exchanged' };
      }),
    async findAccessToken(tokenHash) {
      const row = await db.get<RawGrant & Omit<Oauth1Token, 'grant'>>(sql`SELECT g.*, t.secret,
          t.revoked_at AS "revokedAt",
          EXISTS (SELECT 1 FROM mortise.oauth_grants n WHERE n.client_id = g."clientId" AND n.user_id = g."userId"
            AND n.until = g.since AND n.ended_because = 'narrowed') AS "isNarrowed"
        FROM mortise.oauth1_access_tokens t
        CROSS JOIN LATERAL (SELECT ${GRANT_COLUMNS} FROM mortise.oauth_grants WHERE id = t.grant_id) g
        WHERE t.token_hash = ${tokenHash}`);
      if (!row) return undefined;
      const { secret, revokedAt, isNarrowed, ...grant } = row;
      return { clientId: row.clientId, secret, revokedAt, isNarrowed, grant: readGrant(grant) };
    },
    takeNonce: ({ clientId, token, timestamp, nonce }, oldestTimestamp) =>
      db.transaction(async (tx) => {
        const key = 'client_id, token, timestamp, nonce';
        await deleteExpired(tx, 'oauth1_nonces', key, oldestTimestamp, 'timestamp');
        const taken =
          await tx.run(sql`INSERT INTO mortise.oauth1_nonces (client_id, token, timestamp, nonce)
          VALUES (${clientId}, ${token}, ${timestamp}, ${nonce}) ON CONFLICT DO NOTHING`);
        return taken === 1;
      }),
  };
}

async function use(tx: Queries, tokenHash: Buffer, at: number): Promise<void> {
  await tx.run(sql`UPDATE mortise.oauth1_request_tokens SET used_at = ${at}
    WHERE token_hash = ${tokenHash} AND used_at IS NULL`);
}
