// Migrations as they lie in a folder: numbered plain SQL.
import { readdirSync, readFileSync } from 'node:fs';

export interface Migration {
  number: number;
  name: string;
  sql: string;
}

export function readMigrations(folder: URL): Migration[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({
      number: Number(name.slice(0, 4)),
      name,
      sql: readFileSync(new URL(name, folder), 'utf8'),
    }));
}
