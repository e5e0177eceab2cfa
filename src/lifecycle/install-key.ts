// The host's key pair for install calls: with it an add-on can know who calls before they share a secret.
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomUUID,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { SecretBox } from '../core/secret-box.ts';
import type { InstallKeyStore } from '../store/lifecycle-store.ts';
import type { InstallKeyRow } from '../store/rows.ts';

export interface InstallKey {
  kid: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
  /** SPKI, as served at /install-keys/{kid}. */
  publicPem: string;
}

const generate = promisify(generateKeyPair);

/** @returns the key in use; makes it on the first start. Two processes starting together agree on one. */
export async function loadInstallKey(
  store: InstallKeyStore,
  box: SecretBox,
  now: number,
): Promise<InstallKey> {
  const [existing] = await store.list();
  const row = existing ?? (await store.addFirst(await newKey(box, now)));
  const privateKey = createPrivateKey(box.open(row.privateSealed, rowName(row.kid)));
  return {
    kid: row.kid,
    privateKey,
    publicKey: createPublicKey(row.publicPem),
    publicPem: row.publicPem,
  };
}

async function newKey(box: SecretBox, createdAt: number): Promise<InstallKeyRow> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 });
  const kid = randomUUID();
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return {
    kid,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    privateSealed: box.seal(privatePem, rowName(kid)),
    createdAt,
  };
}

function rowName(kid: string): string {
  return `install_keys/${kid}/private`;
}

/** The public keys as a JWK Set (RFC 7517 section 5). */
export function toJwks(rows: { kid: string; publicPem: string }[]): { keys: object[] } {
  return {
    keys: rows.map(({ kid, publicPem }) => ({
      ...createPublicKey(publicPem).export({ format: 'jwk' }),
      kid,
      use: 'sig',
      alg: 'RS256',
    })),
  };
}
