// OAuth 1.0a: request tokens, each used once by a conditional UPDATE, access tokens under a grant, nonces.
import type { Database } from 'better-sqlite3';
import { type ConsumerRow, readConsumer } from '../oauth1-consumer.ts';
import type { Exchanged, NonceUse, Oauth1Token, RequestTokenRow } from '../oauth1-rows.ts';
import type { Oauth1Store } from '../oauth1-store.ts';
import { grantStatements } from './grants.ts';
import type { Writer } from './writer.ts';

interface RawRequestToken {
  clientId: string;
  verifierHash: Buffer | null;
  grantId: string | null;
  wrongVerifiers: number;
}

export function oauth1Store(db: Database, writer: Writer): Oauth1Store {
  const grants = grantStatements(db);
  const findConsumer = db.prepare<[string], ConsumerRow>(
    `SELECT id, name, scopes, redirect_uris AS redirectUris, oauth1_secret AS secret,
       previous_oauth1_secret AS previousSecret, previous_secret_until AS previousUntil
     FROM oauth_clients
     WHERE id = ? AND kind = 'consumer' AND enabled = 1 AND deleted_at IS NULL AND oauth1_secret IS NOT NULL`,
  );
  const insertRequest = db.prepare<RequestTokenRow>(
    `INSERT INTO oauth1_request_tokens (token_hash, client_id, secret, callback, created_at, expires_at)
     VALUES (@tokenHash, @clientId, @secret, @callback, @createdAt, @expiresAt)`,
  );
  const sweepRequests = db.prepare(
    `DELETE FROM oauth1_request_tokens WHERE token_hash IN
       (SELECT token_hash FROM oauth1_request_tokens WHERE expires_at < ? LIMIT 100)`,
  );
  const findRequest = db.prepare<
    [Buffer, number],
    RequestTokenRow & { verifierHash: Buffer | null }
  >(
    `SELECT token_hash AS tokenHash, client_id AS clientId, secret, callback, created_at AS createdAt,
       expires_at AS expiresAt, verifier_hash AS verifierHash
     FROM oauth1_request_tokens WHERE token_hash = ? AND used_at IS NULL AND expires_at > ?`,
  );
  const isOpen = db.prepare<{ tokenHash: Buffer; clientId: string; at: number }>(
    `SELECT 1 FROM oauth1_request_tokens WHERE token_hash = @tokenHash AND client_id = @clientId AND used_at IS NULL
       AND verifier_hash IS NULL AND expires_at > @at`,
  );
  const allow = db.prepare(
    `UPDATE oauth1_request_tokens SET verifier_hash = @verifierHash, grant_id = @grantId
     WHERE token_hash = @tokenHash`,
  );
  const use = db.prepare(
    'UPDATE oauth1_request_tokens SET used_at = ? WHERE token_hash = ? AND used_at IS NULL',
  );
  const findForExchange = db.prepare<[Buffer, string, number], RawRequestToken>(
    `SELECT client_id AS clientId, verifier_hash AS verifierHash, grant_id AS grantId, wrong_verifiers AS wrongVerifiers
     FROM oauth1_request_tokens WHERE token_hash = ? AND client_id = ? AND used_at IS NULL AND expires_at > ?`,
  );
  const countWrong = db.prepare(
    'UPDATE oauth1_request_tokens SET wrong_verifiers = wrong_verifiers + 1 WHERE token_hash = ?',
  );
  const insertAccess = db.prepare(
    `INSERT INTO oauth1_access_tokens (token_hash, client_id, grant_id, secret, created_at)
     VALUES (?, ?, ?, ?, ?)`,
  );
  const findAccess = db.prepare<
    [Buffer],
    { clientId: string; grantId: string; secret: string; revokedAt: number | null }
  >(
    `SELECT client_id AS clientId, grant_id AS grantId, secret, revoked_at AS revokedAt
     FROM oauth1_access_tokens WHERE token_hash = ?`,
  );
  const narrowing = db.prepare<[string, string | null, number]>(
    `SELECT 1 FROM oauth_grants WHERE client_id = ? AND user_id = ? AND until = ? AND ended_because = 'narrowed'`,
  );
  const insertNonce = db.prepare<NonceUse>(
    `INSERT OR IGNORE INTO oauth1_nonces (client_id, token, timestamp, nonce)
     VALUES (@clientId, @token, @timestamp, @nonce)`,
  );
  const sweepNonces = db.prepare('DELETE FROM oauth1_nonces WHERE timestamp < ?');

  return {
    async findConsumer(id) {
      const raw = findConsumer.get(id);
      return raw && readConsumer(raw);
    },
    createRequestToken: (token) =>
      writer.write(() => {
        sweepRequests.run(token.createdAt);
        insertRequest.run(token);
      }),
    async findRequestToken(tokenHash, now) {
      const raw = findRequest.get(tokenHash, now);
      if (!raw) return undefined;
      const { verifierHash, ...token } = raw;
      return { ...token, isAllowed: verifierHash !== null };
    },
    allow: (tokenHash, verifierHash, grant, at) =>
      writer.write(() => {
        if (!isOpen.get({ tokenHash, clientId: grant.clientId, at })) return 'over';
        const granted = grants.grantByUser(grant, at);
        if (granted === 'granted') allow.run({ tokenHash, verifierHash, grantId: grant.id });
        return granted;
      }),
    deny: (tokenHash, at) => writer.write(() => void use.run(at, tokenHash)),
    exchange: (exchange) =>
      writer.write((): Exchanged => {
        const { requestTokenHash: hash, clientId, createdAt } = exchange;
        const token = findForExchange.get(hash, clientId, createdAt);
        if (!token?.verifierHash || token.grantId === null) return { kind: 'refused' };
        if (!token.verifierHash.equals(exchange.verifierHash)) {
          countWrong.run(hash);
          if (token.wrongVerifiers + 1 >= exchange.mostWrongVerifiers) use.run(createdAt, hash);
          return { kind: 'wrong-verifier' };
        }
        const grant = grants.find(token.grantId);
        if (!grant || grant.until !== null) return { kind: 'refused' };
        if (use.run(createdAt, hash).changes === 0) return { kind: 'refused' };
        insertAccess.run(exchange.accessTokenHash, clientId, grant.id, exchange.secret, createdAt);
        return { kind: 'exchanged' };
      }),
    async findAccessToken(tokenHash): Promise<Oauth1Token | undefined> {
      const raw = findAccess.get(tokenHash);
      const grant = raw && grants.find(raw.grantId);
      if (!raw || !grant) return undefined;
      const { clientId, secret, revokedAt } = raw;
      const isNarrowed = narrowing.get(clientId, grant.userId, grant.since) !== undefined;
      return { clientId, secret, revokedAt, grant, isNarrowed };
    },
    takeNonce: (use, oldestTimestamp) =>
      writer.write(() => {
        sweepNonces.run(oldestTimestamp);
        return insertNonce.run(use).changes === 1;
      }),
  };
}
