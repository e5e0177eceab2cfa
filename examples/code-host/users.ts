// Who uses the product. alice administers the workspace acme; her git password is made on the first start. The sign-in
// page takes any name, so anybody else is a user too, with nothing of their own.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ProductDatabase, stableUuid } from './database.ts';

export interface User {
  name: string;
  uuid: string;
  display_name: string;
  email: string;
}

export function seedUsers(db: ProductDatabase, dataFolder: string): { alicePassword: string } {
  const file = join(dataFolder, 'alice-git-password');
  if (!existsSync(file))
    writeFileSync(file, randomBytes(18).toString('base64url'), { mode: 0o600 });
  const alicePassword = readFileSync(file, 'utf8').trim();
  db.prepare(
    `INSERT INTO code_users (name, uuid, display_name, email, password_hash) VALUES ('alice', ?, 'Alice Meyer', 'alice@example.test', ?)
     ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash`,
  ).run(stableUuid('user alice'), hash(alicePassword));
  return { alicePassword };
}

export function findUser(db: ProductDatabase, name: string): User {
  const known = db
    .prepare<[string], User>(
      'SELECT name, uuid, display_name, email FROM code_users WHERE name = ?',
    )
    .get(name);
  return (
    known ?? {
      name,
      uuid: stableUuid(`user ${name}`),
      display_name: name,
      email: `${name.replaceAll('@', '.')}@example.test`,
    }
  );
}

export function renameUser(db: ProductDatabase, name: string, displayName: string): void {
  const { uuid, email } = findUser(db, name);
  // Nobody knows the password of somebody who was not given one.
  db.prepare(
    `INSERT INTO code_users (name, uuid, display_name, email, password_hash) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name`,
  ).run(name, uuid, displayName, email, randomBytes(32));
}

/** Basic credentials of a person; undefined if they are not one's, or wrong. */
export function signedInUser(db: ProductDatabase, authorization: string): User | undefined {
  const value = /^Basic +(\S+)$/i.exec(authorization)?.[1];
  if (value === undefined) return undefined;
  const [name = '', password = ''] = Buffer.from(value, 'base64').toString('utf8').split(/:(.*)/s);
  const row = db
    .prepare<[string], { password_hash: Buffer }>(
      'SELECT password_hash FROM code_users WHERE name = ?',
    )
    .get(name);
  if (!row || !timingSafeEqual(row.password_hash, hash(password))) return undefined;
  return findUser(db, name);
}

function hash(password: string): Buffer {
  return createHash('sha256').update(password).digest();
}
