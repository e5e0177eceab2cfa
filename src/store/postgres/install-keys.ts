// The key pairs that sign install calls.
import sql from 'sql-template-tag';
import type { InstallKeyStore } from '../lifecycle-store.ts';
import type { InstallKeyRow } from '../rows.ts';
import type { Database } from './database.ts';

const LIST = sql`SELECT kid, public_pem AS "publicPem", private_sealed AS "privateSealed", created_at AS "createdAt"
  FROM mortise.install_keys ORDER BY created_at DESC`;

export function installKeyStore(db: Database): InstallKeyStore {
  return {
    list: () => db.all<InstallKeyRow>(LIST),
    addFirst: (key) =>
      db.transaction(async (tx) => {
        // "There is none" cannot be locked as a row.
        await tx.run(sql`LOCK TABLE mortise.install_keys IN SHARE ROW EXCLUSIVE MODE`);
        const existing = await tx.get<InstallKeyRow>(LIST);
        if (existing) return existing;
        await tx.run(sql`INSERT INTO mortise.install_keys (kid, public_pem, private_sealed, created_at)
          VALUES (${key.kid}, ${key.publicPem}, ${key.privateSealed}, ${key.createdAt})`);
        return key;
      }),
  };
}
