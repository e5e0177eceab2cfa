// Secrets at rest: AES-256-GCM under MORTISE_SECRET_KEY. Every ciphertext names its key, so that keys
// can be changed, and is bound to its row, so that it cannot be moved to another one.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { MortiseError } from './errors.ts';
import { sha256 } from './secrets.ts';

const VERSION = 'v1';
/** Version, key, nonce, and what was sealed with its tag. */
const SEALED = /^v\d+\.([0-9a-f]{8})\.([\w-]{16})\.([\w-]+)$/;
const TAG_BYTES = 16;

export class SecretBox {
  readonly #current: { id: string; key: Buffer };
  readonly #keys = new Map<string, Buffer>();

  /**
   * @param secretKey 32 bytes, base64: what new secrets are sealed with.
   * @param previousKeys older keys, still able to open what they sealed.
   * @throws secret_key_invalid
   */
  constructor(secretKey: string, previousKeys: string[] = []) {
    this.#current = readKey(secretKey, 'MORTISE_SECRET_KEY');
    for (const { id, key } of [
      this.#current,
      ...previousKeys.map((k) => readKey(k, 'MORTISE_SECRET_KEY_PREVIOUS')),
    ]) {
      this.#keys.set(id, key);
    }
  }

  /** @param row what the ciphertext belongs to, such as `installations/ID/shared_secret`. */
  seal(plain: string, row: string): string {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#current.key, iv);
    cipher.setAAD(Buffer.from(row));
    const sealed = Buffer.concat([
      cipher.update(plain, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
    return [VERSION, this.#current.id, iv.toString('base64url'), sealed.toString('base64url')].join(
      '.',
    );
  }

  /** @throws secret_unreadable unless it was sealed with a known key, for this row, and not changed. */
  open(sealed: string, row: string): string {
    const version = /^(v\d+)\./.exec(sealed)?.[1];
    if (version !== undefined && version !== VERSION) {
      throw unreadable(
        `It was sealed in format ${version}; this version of Mortise reads ${VERSION}.`,
        'Start the version of Mortise that sealed it.',
      );
    }
    const [, keyId, iv, body] = SEALED.exec(sealed) ?? [];
    if (!keyId || !iv || !body) throw unreadable('It is not a ciphertext.', RESTORE_IT);
    const key = this.#keys.get(keyId);
    if (!key) {
      throw unreadable(
        `It was sealed with key "${keyId}", which this host was not given.`,
        'Start with the MORTISE_SECRET_KEY it was sealed with, or name that key in MORTISE_SECRET_KEY_PREVIOUS.',
      );
    }
    try {
      const bytes = Buffer.from(body, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), {
        // Without it a tag of four bytes would do, which can be guessed.
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(row));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      return Buffer.concat([
        decipher.update(bytes.subarray(0, -TAG_BYTES)),
        decipher.final(),
      ]).toString('utf8');
    } catch (cause) {
      throw unreadable('It was changed, or belongs to another row.', RESTORE_IT, cause);
    }
  }
}

const RESTORE_IT = 'Restore the database from a backup.';

function readKey(text: string, option: string): { id: string; key: Buffer } {
  const key = Buffer.from(text, 'base64');
  if (key.length !== 32) {
    throw new MortiseError({
      code: 'secret_key_invalid',
      status: 500,
      message: `${option} must be 32 bytes in base64; it decodes to ${key.length} bytes.`,
      hint: `Make one with: node -p "crypto.randomBytes(32).toString('base64')"`,
    });
  }
  return { id: sha256(key).toString('hex').slice(0, 8), key };
}

function unreadable(why: string, hint: string, cause?: unknown): MortiseError {
  return new MortiseError({
    code: 'secret_unreadable',
    status: 500,
    message: `A stored secret cannot be read. ${why}`,
    hint,
    cause,
  });
}
