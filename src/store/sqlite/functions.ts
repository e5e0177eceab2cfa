// What SQL needs of core: the same ids that every store makes.
import type { Database } from 'better-sqlite3';
import { bucketOf, derivedIdAt } from '../../core/ids.ts';

export function defineFunctions(db: Database): void {
  db.function('delivery_id', { deterministic: true }, (at, event, installation, webhook) =>
    derivedIdAt(at as number, event as string, installation as string, webhook as string),
  );
  db.function('bucket_of', { deterministic: true }, (id) => bucketOf(id as string));
}
