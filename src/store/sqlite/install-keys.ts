// The key pairs that sign install calls.
import type { Database } from 'better-sqlite3';
import type { InstallKeyStore } from '../lifecycle-store.ts';
import type { InstallKeyRow } from '../rows.ts';
import type { Writer } from './writer.ts';

export function installKeyStore(db: Database, writer: Writer): InstallKeyStore {
  const list = db.prepare<[], InstallKeyRow>(
    `SELECT kid, public_pem AS publicPem, private_sealed AS privateSealed, created_at AS createdAt
     FROM install_keys ORDER BY created_at DESC`,
  );
  const insert = db.prepare(
    'INSERT INTO install_keys (kid, public_pem, private_sealed, created_at) VALUES (?, ?, ?, ?)',
  );
  return {
    async list() {
      return list.all();
    },
    addFirst: (key) =>
      writer.write(() => {
        const existing = list.get();
        if (existing) return existing;
        insert.run(key.kid, key.publicPem, key.privateSealed, key.createdAt);
        return key;
      }),
  };
}
