// The key that encrypts secrets at rest.
import { randomSecret } from '../../core/secrets.ts';
import { missing } from './faults.ts';

/** One of its own, for as long as it runs, where nothing outlives it. */
export function temporaryKey(isDev: boolean, database: string): string {
  if (isDev && database === ':memory:')
    return Buffer.from(randomSecret(), 'base64url').toString('base64');
  throw missing(
    'secretKey',
    'the key that encrypts secrets at rest',
    `Set MORTISE_SECRET_KEY to 32 bytes in base64; make one with: node -p "crypto.randomBytes(32).toString('base64')"`,
  );
}
