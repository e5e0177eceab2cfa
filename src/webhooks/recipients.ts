// Whom deliveries are for, kept from one to the next. Never trusted for a send: the epoch is compared when the request
// has its socket, and never for a refusal: that is looked at again.
import type { SecretBox } from '../core/secret-box.ts';
import type { Platform } from '../platform/platform.ts';
import type { GateStore } from '../store/delivery-store.ts';
import {
  acknowledgedSecrets,
  type InstallationSecrets,
  type PreviousSecrets,
  previousSecrets,
} from '../store/installation-secrets.ts';
import type { Recipient } from '../store/rows.ts';

export interface KnownRecipient extends Recipient {
  secrets: InstallationSecrets | undefined;
  /** What a rotation has replaced. Kept past its time, perhaps: that is looked at when something is signed. */
  previous: PreviousSecrets | undefined;
  /** Granted, with everything implied. */
  scopes: ReadonlySet<string>;
  /** The same for all who may see the same. */
  scopesKey: string;
}

const MOST_KNOWN = 20_000;

export class Recipients {
  readonly #gate: GateStore;
  readonly #box: SecretBox;
  readonly #platform: Platform;
  readonly #onOrigin: (installationId: string, origin: string) => void;
  readonly #known = new Map<string, KnownRecipient>();

  /** @param parts.onOrigin hears where an installation is, whenever that was looked at. */
  constructor(parts: {
    gate: GateStore;
    box: SecretBox;
    platform: Platform;
    onOrigin: (installationId: string, origin: string) => void;
  }) {
    this.#gate = parts.gate;
    this.#box = parts.box;
    this.#platform = parts.platform;
    this.#onOrigin = parts.onOrigin;
  }

  /** As last seen; may be of before. */
  known(installationId: string): KnownRecipient | undefined {
    return this.#known.get(installationId);
  }

  /** It is about to change: the next time it is looked at. */
  forget(installationId: string): void {
    this.#known.delete(installationId);
  }

  /** As things stand now. */
  async look(installationId: string): Promise<KnownRecipient | undefined> {
    const row = await this.#gate.recipient(installationId);
    this.#known.delete(installationId);
    if (!row) return undefined;
    const granted = row.grant?.scopes ?? [];
    const { baseUrl } = row.installation;
    if (baseUrl !== null) this.#onOrigin(installationId, new URL(baseUrl).origin);
    const known: KnownRecipient = {
      ...row,
      secrets: acknowledgedSecrets(this.#box, row.installation),
      previous: previousSecrets(this.#box, row.installation),
      scopes: this.#platform.scopes.closure(granted),
      scopesKey: granted.join(' '),
    };
    if (this.#known.size >= MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(installationId, known);
    return known;
  }
}
