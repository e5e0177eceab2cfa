// Codes and refresh tokens. Each is used once: its row is locked before it is read, and until what it gives is minted.
// A revocation decided on the way is returned, not thrown: a throw would roll it back.
import sql from 'sql-template-tag';
import {
  judgeCode,
  judgeRefreshToken,
  type Minting,
  type StoredCode,
  type StoredRefreshToken,
} from '../authorization-rules.ts';
import type { NewTokens, Redeemed, Rotated } from '../oauth-rows.ts';
import type { AuthorizationStore } from '../oauth-store.ts';
import type { Database } from './database.ts';
import { deleteExpired } from './expired.ts';
import { endGrant, findGrant, grantByUser } from './grants.ts';
import type { Queries } from './queries.ts';
import { insertAccessToken } from './tokens.ts';

/** Used codes stay a day: one that comes again must be recognised. */
const KEEP_CODES_MS = 24 * 3_600_000;

export function authorizationStore(db: Database): AuthorizationStore {
  return {
    grantAndIssueCode: (grant, code) =>
      db.transaction(async (tx) => {
        const granted = await grantByUser(tx, grant, code.createdAt);
        if (granted !== 'granted') return granted;
        await tx.run(sql`INSERT INTO mortise.oauth_codes
            (code_hash, grant_id, client_id, redirect_uri, code_challenge, scopes, created_at, expires_at)
          VALUES (${code.codeHash}, ${grant.id}, ${grant.clientId}, ${code.redirectUri}, ${code.codeChallenge},
            ${JSON.stringify(code.scopes)}, ${code.createdAt}, ${code.expiresAt})`);
        await deleteExpired(tx, 'oauth_codes', 'code_hash', code.createdAt - KEEP_CODES_MS);
        return granted;
      }),

    redeemCode: (redemption) =>
      db.transaction(async (tx): Promise<Redeemed> => {
        const { codeHash, createdAt: now } = redemption;
        const code = await lockCode(tx, codeHash);
        // Read by itself, after the lock: who has replaced it meanwhile has moved the code to the new one.
        const grant = code && (await findGrant(tx, code.grantId));
        const verdict = judgeCode(code, grant, redemption);
        if (verdict.kind === 'reused' && code?.familyId)
          await endFamily(tx, code.familyId, now, 'code_reused');
        if (verdict.kind !== 'mint') return verdict;
        const { family, scopes, accessExpiresAt } = verdict;
        await tx.run(sql`UPDATE mortise.oauth_codes SET used_at = ${now}, family_id = ${family.id}
          WHERE code_hash = ${codeHash}`);
        await tx.run(sql`INSERT INTO mortise.oauth_refresh_families
            (id, grant_id, client_id, generation, created_at, expires_at)
          VALUES (${family.id}, ${family.grantId}, ${family.clientId}, ${family.generation}, ${now}, ${family.expiresAt})`);
        await mint(tx, redemption, verdict);
        return { kind: 'redeemed', scopes: scopes.access, accessExpiresAt };
      }),

    rotate: (rotation) =>
      db.transaction(async (tx): Promise<Rotated> => {
        const { tokenHash, createdAt: now } = rotation;
        const token = await lockRefreshToken(tx, tokenHash);
        // By itself here too: who has replaced it meanwhile has moved the family to the new one.
        const grant = token && (await findGrant(tx, token.grantId));
        const verdict = judgeRefreshToken(token, grant, rotation);
        if (verdict.kind === 'reused' && token)
          await endFamily(tx, token.familyId, now, 'refresh_token_reused');
        if (verdict.kind !== 'mint') return verdict;
        const { family, scopes, accessExpiresAt } = verdict;
        await tx.run(sql`UPDATE mortise.oauth_refresh_families SET generation = ${family.generation}
          WHERE id = ${family.id}`);
        await tx.run(sql`UPDATE mortise.oauth_refresh_tokens SET used_at = ${now}
          WHERE token_hash = ${tokenHash}`);
        await mint(tx, rotation, verdict);
        return { kind: 'rotated', scopes: scopes.access, accessExpiresAt };
      }),

    revokeRefreshToken: (tokenHash, clientId, at) =>
      db.transaction(async (tx) => {
        // The grant before the family, as everybody who ends or replaces one does. Who had replaced it by then has moved
        // the family to another, which is the one to end.
        for (let ended: string | undefined; ; ) {
          const family = await findFamily(tx, tokenHash, clientId);
          if (!family) return false;
          if (family.grantId === ended) {
            await endFamily(tx, family.id, at, 'revoked_by_client');
            return true;
          }
          await endGrant(tx, family.grantId, at, 'revoked_by_client');
          ended = family.grantId;
        }
      }),

    takeAssertion: (issuer, jtiHash, now, expiresAt) =>
      db.transaction(async (tx) => {
        // One that has expired counts for nothing, though it has not been swept yet.
        const taken =
          await tx.run(sql`INSERT INTO mortise.oauth_assertions AS a (issuer, jti_hash, expires_at)
          VALUES (${issuer}, ${jtiHash}, ${expiresAt})
          ON CONFLICT (issuer, jti_hash) DO UPDATE SET expires_at = excluded.expires_at
            WHERE a.expires_at < ${now}`);
        await deleteExpired(tx, 'oauth_assertions', 'issuer, jti_hash', now);
        return taken === 1;
      }),
  };
}

function lockCode(tx: Queries, codeHash: Buffer) {
  return tx.get<StoredCode>(sql`SELECT grant_id AS "grantId", client_id AS "clientId", redirect_uri AS "redirectUri",
      code_challenge AS "codeChallenge", scopes, expires_at AS "expiresAt", used_at AS "usedAt",
      family_id AS "familyId"
    FROM mortise.oauth_codes WHERE code_hash = ${codeHash} FOR UPDATE`);
}

/** With its family, so that of one family one token is used at a time. Of both the row is read after the wait. */
function lockRefreshToken(tx: Queries, tokenHash: Buffer) {
  return tx.get<StoredRefreshToken>(sql`SELECT r.family_id AS "familyId", r.generation, r.scopes,
      r.expires_at AS "expiresAt", r.used_at AS "usedAt", f.grant_id AS "grantId", f.client_id AS "clientId",
      f.generation AS "familyGeneration", f.revoked_at AS "revokedAt", f.expires_at AS "familyExpiresAt"
    FROM mortise.oauth_refresh_tokens r JOIN mortise.oauth_refresh_families f ON f.id = r.family_id
    WHERE r.token_hash = ${tokenHash} FOR UPDATE`);
}

function findFamily(tx: Queries, tokenHash: Buffer, clientId: string) {
  return tx.get<{ id: string; grantId: string }>(sql`SELECT f.id, f.grant_id AS "grantId"
    FROM mortise.oauth_refresh_tokens r JOIN mortise.oauth_refresh_families f ON f.id = r.family_id
    WHERE r.token_hash = ${tokenHash} AND f.client_id = ${clientId}`);
}

/** The family first: who rotates it has locked it, and what they minted is seen by the second statement. */
async function endFamily(tx: Queries, id: string, at: number, because: string): Promise<void> {
  await tx.run(sql`UPDATE mortise.oauth_refresh_families SET revoked_at = ${at}, revoked_because = ${because}
    WHERE id = ${id} AND revoked_at IS NULL`);
  await tx.run(sql`UPDATE mortise.oauth_access_tokens SET revoked_at = ${at}
    WHERE family_id = ${id} AND revoked_at IS NULL`);
}

async function mint(tx: Queries, tokens: NewTokens, minting: Minting): Promise<void> {
  const { grant, family, scopes, accessExpiresAt } = minting;
  await insertAccessToken(tx, {
    tokenHash: tokens.accessTokenHash,
    grantId: family.grantId,
    clientId: family.clientId,
    scopes: scopes.access,
    resources: grant.resources,
    createdAt: tokens.createdAt,
    expiresAt: accessExpiresAt,
    familyId: family.id,
  });
  await tx.run(sql`INSERT INTO mortise.oauth_refresh_tokens
      (token_hash, family_id, generation, scopes, created_at, expires_at)
    VALUES (${tokens.refreshTokenHash}, ${family.id}, ${family.generation}, ${JSON.stringify(scopes.refresh)},
      ${tokens.createdAt}, ${tokens.refreshExpiresAt})`);
}
