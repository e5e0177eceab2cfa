// Codes and refresh tokens. Each is used once, by a conditional UPDATE; what it gives is minted in the same
// transaction. A revocation decided on the way is returned, not thrown: a throw would roll it back.
import type { Database } from 'better-sqlite3';
import {
  judgeCode,
  judgeRefreshToken,
  type Minting,
  type StoredCode,
  type StoredRefreshToken,
} from '../authorization-rules.ts';
import { writeList } from '../lists.ts';
import type { NewTokens, Redeemed, Rotated } from '../oauth-rows.ts';
import type { AuthorizationStore } from '../oauth-store.ts';
import { grantStatements } from './grants.ts';
import type { Writer } from './writer.ts';

export function authorizationStore(db: Database, writer: Writer): AuthorizationStore {
  const grants = grantStatements(db);
  const insertCode = db.prepare(
    `INSERT INTO oauth_codes (code_hash, grant_id, client_id, redirect_uri, code_challenge, scopes, created_at, expires_at)
     VALUES (@codeHash, @grantId, @clientId, @redirectUri, @codeChallenge, @scopes, @createdAt, @expiresAt)`,
  );
  const sweepCodes = db.prepare(
    // Used ones stay a day: a code that comes again must be recognised.
    'DELETE FROM oauth_codes WHERE code_hash IN (SELECT code_hash FROM oauth_codes WHERE expires_at < ? LIMIT 100)',
  );
  const findCode = db.prepare<[Buffer], StoredCode>(
    `SELECT grant_id AS grantId, client_id AS clientId, redirect_uri AS redirectUri, code_challenge AS codeChallenge,
       scopes, expires_at AS expiresAt, used_at AS usedAt, family_id AS familyId
     FROM oauth_codes WHERE code_hash = ?`,
  );
  const useCode = db.prepare(
    'UPDATE oauth_codes SET used_at = ?, family_id = ? WHERE code_hash = ? AND used_at IS NULL',
  );
  const insertFamily = db.prepare(
    `INSERT INTO oauth_refresh_families (id, grant_id, client_id, generation, created_at, expires_at)
     VALUES (?, ?, ?, 1, ?, ?)`,
  );
  const insertRefresh = db.prepare(
    `INSERT INTO oauth_refresh_tokens (token_hash, family_id, generation, scopes, created_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?)`,
  );
  const insertAccess = db.prepare(
    `INSERT INTO oauth_access_tokens (token_hash, grant_id, client_id, scopes, resources, created_at, expires_at, family_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const findRefresh = db.prepare<[Buffer], StoredRefreshToken>(
    `SELECT r.family_id AS familyId, r.generation, r.scopes, r.expires_at AS expiresAt, r.used_at AS usedAt,
       f.grant_id AS grantId, f.client_id AS clientId, f.generation AS familyGeneration, f.revoked_at AS revokedAt,
       f.expires_at AS familyExpiresAt
     FROM oauth_refresh_tokens r JOIN oauth_refresh_families f ON f.id = r.family_id WHERE r.token_hash = ?`,
  );
  const advance = db.prepare(
    `UPDATE oauth_refresh_families SET generation = generation + 1
     WHERE id = ? AND generation = ? AND revoked_at IS NULL`,
  );
  const useRefresh = db.prepare(
    'UPDATE oauth_refresh_tokens SET used_at = ? WHERE token_hash = ? AND used_at IS NULL',
  );
  const revokeFamily = db.prepare(
    'UPDATE oauth_refresh_families SET revoked_at = ?, revoked_because = ? WHERE id = ? AND revoked_at IS NULL',
  );
  const revokeFamilyTokens = db.prepare(
    'UPDATE oauth_access_tokens SET revoked_at = ? WHERE family_id = ? AND revoked_at IS NULL',
  );
  const insertAssertion = db.prepare(
    'INSERT OR IGNORE INTO oauth_assertions (issuer, jti_hash, expires_at) VALUES (?, ?, ?)',
  );
  const sweepAssertions = db.prepare('DELETE FROM oauth_assertions WHERE expires_at < ?');

  function endFamily(familyId: string, at: number, because: string): void {
    revokeFamily.run(at, because, familyId);
    revokeFamilyTokens.run(at, familyId);
  }

  function mint(tokens: NewTokens, { grant, family, scopes, accessExpiresAt }: Minting): void {
    insertAccess.run(
      tokens.accessTokenHash,
      family.grantId,
      family.clientId,
      JSON.stringify(scopes.access),
      writeList(grant.resources),
      tokens.createdAt,
      accessExpiresAt,
      family.id,
    );
    insertRefresh.run(
      tokens.refreshTokenHash,
      family.id,
      family.generation,
      JSON.stringify(scopes.refresh),
      tokens.createdAt,
      tokens.refreshExpiresAt,
    );
  }

  const DAY_MS = 24 * 3_600_000;

  return {
    grantAndIssueCode: (grant, code) =>
      writer.write(() => {
        const granted = grants.grantByUser(grant, code.createdAt);
        if (granted !== 'granted') return granted;
        insertCode.run({
          ...code,
          grantId: grant.id,
          clientId: grant.clientId,
          scopes: JSON.stringify(code.scopes),
        });
        sweepCodes.run(code.createdAt - DAY_MS);
        return granted;
      }),

    redeemCode: (redemption) =>
      writer.write((): Redeemed => {
        const code = findCode.get(redemption.codeHash);
        const now = redemption.createdAt;
        const verdict = judgeCode(code, code && grants.find(code.grantId), redemption);
        if (verdict.kind === 'reused' && code?.familyId)
          endFamily(code.familyId, now, 'code_reused');
        if (verdict.kind !== 'mint') return verdict;
        if (useCode.run(now, redemption.familyId, redemption.codeHash).changes === 0)
          return { kind: 'reused' };
        const { family, scopes, accessExpiresAt } = verdict;
        insertFamily.run(family.id, family.grantId, family.clientId, now, family.expiresAt);
        mint(redemption, verdict);
        return { kind: 'redeemed', scopes: scopes.access, accessExpiresAt };
      }),

    rotate: (rotation) =>
      writer.write((): Rotated => {
        const token = findRefresh.get(rotation.tokenHash);
        const now = rotation.createdAt;
        const verdict = judgeRefreshToken(token, token && grants.find(token.grantId), rotation);
        if (verdict.kind === 'reused' && token)
          endFamily(token.familyId, now, 'refresh_token_reused');
        if (verdict.kind !== 'mint') return verdict;
        const { family, scopes, accessExpiresAt } = verdict;
        if (advance.run(family.id, family.generation - 1).changes === 0) return { kind: 'raced' };
        useRefresh.run(now, rotation.tokenHash);
        mint(rotation, verdict);
        return { kind: 'rotated', scopes: scopes.access, accessExpiresAt };
      }),

    revokeRefreshToken: (tokenHash, clientId, at) =>
      writer.write(() => {
        const token = findRefresh.get(tokenHash);
        if (!token || token.clientId !== clientId) return false;
        endFamily(token.familyId, at, 'revoked_by_client');
        grants.end(token.grantId, at, 'revoked_by_client');
        return true;
      }),

    takeAssertion: (issuer, jtiHash, now, expiresAt) =>
      writer.write(() => {
        sweepAssertions.run(now);
        return insertAssertion.run(issuer, jtiHash, expiresAt).changes === 1;
      }),
  };
}
