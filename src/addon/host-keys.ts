// The host's public install keys, fetched from an address the add-on was configured with, never from one that
// stands in a request.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { AddonError } from './errors.ts';

const KEYS_KEPT = 20;
const UNKNOWN_MS = 5_000;

export class HostKeys {
  readonly hostUrl: string;
  readonly #keys = new Map<string, KeyObject>();
  /** Asked for in vain, until when it is not asked again: whoever invents kids costs no request each. */
  #unknownUntil = 0;

  /** @param hostUrl origin of the host, such as `https://code.example`. */
  constructor(hostUrl: string) {
    this.hostUrl = hostUrl.replace(/\/+$/, '');
  }

  /** A kid is never used again, so a key may be kept for ever. @throws install_key_unknown */
  async find(kid: string): Promise<KeyObject> {
    if (!/^[A-Za-z0-9-]{1,64}$/.test(kid)) throw unknownKey(kid);
    const known = this.#keys.get(kid);
    if (known) return known;
    if (this.#keys.size > 0 && Date.now() < this.#unknownUntil) throw unknownKey(kid);
    const response = await fetch(`${this.hostUrl}/install-keys/${kid}`, {
      redirect: 'error',
      signal: AbortSignal.timeout(5_000),
    }).catch((cause: Error) => {
      throw new AddonError(
        'install_key_unreachable',
        `${this.hostUrl} could not be asked for its install key: ${cause.message}.`,
        503,
      );
    });
    if (response.status !== 200) {
      this.#unknownUntil = Date.now() + UNKNOWN_MS;
      throw unknownKey(kid);
    }
    const key = createPublicKey(await response.text());
    if (this.#keys.size >= KEYS_KEPT) this.#keys.clear();
    this.#keys.set(kid, key);
    return key;
  }
}

function unknownKey(kid: string): AddonError {
  return new AddonError('install_key_unknown', `The host has no install key "${kid}".`);
}
