// Development on one machine: token and key are made on the first start and kept in the data folder, readable by
// its owner only; the address of the running host stands beside them for the command line.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomSecret } from '../core/secrets.ts';

export interface DevData {
  operatorToken: string;
  /** 32 bytes, base64. */
  secretKey: string;
}

const OWNER_ONLY = 0o600;

export function devData(folder: string): DevData {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    operatorToken: readOrMake(join(folder, 'operator-token'), () => randomSecret('mop_')),
    secretKey: readOrMake(join(folder, 'secret-key'), () =>
      Buffer.from(randomSecret(), 'base64url').toString('base64'),
    ),
  };
}

/** So that `mortise install …` finds the host without being told. */
export function rememberUrl(folder: string, url: string): void {
  writeFileSync(join(folder, 'url'), url);
}

/** What an earlier start left in the folder; undefined if there is none. */
export function readRemembered(folder: string, name: 'url' | 'operator-token'): string | undefined {
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}

function readOrMake(file: string, make: () => string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const value = make();
  // wx: of two processes that start together, the second reads what the first wrote.
  try {
    writeFileSync(file, value, { mode: OWNER_ONLY, flag: 'wx' });
    return value;
  } catch {
    return readFileSync(file, 'utf8').trim();
  }
}
