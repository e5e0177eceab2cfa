// A right that runs out by the database's clock and is renewed in time; whoever holds it takes it for lost, by clocks of
// its own, before it has run out.
import { raw, type Sql } from 'sql-template-tag';
import { elapsed, type Moment, now } from './clocks.ts';

export const LEASE_MS = 15_000;
/** Before it has run out nothing may begin that ends after it. */
const MARGIN_MS = 1_000;
const TICK_MS = 500;

/** When one that is renewed now runs out. */
export function expiryOf(leaseMs: number): Sql {
  return raw(`clock_timestamp() + interval '${leaseMs} milliseconds'`);
}

export class RenewedRight {
  readonly lost: Promise<void>;
  readonly #renewIt: () => Promise<boolean>;
  readonly #leaseMs: number;
  readonly #timer: NodeJS.Timeout;
  /** When the last renewal that succeeded began. */
  #renewed: Moment;
  #isRenewing = false;
  #isOver = false;
  #resolveLost!: () => void;

  /** @param renew whether it was still there to be renewed. @param began before it was taken. */
  constructor(renew: () => Promise<boolean>, leaseMs: number, began: Moment) {
    this.#renewIt = renew;
    this.#leaseMs = leaseMs;
    this.#renewed = began;
    this.lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  isHeld(): boolean {
    return !this.#isOver && elapsed(this.#renewed) < this.#leaseMs - MARGIN_MS;
  }

  /** It is found to be gone before it ran out. */
  lose(): void {
    if (this.#isOver) return;
    this.end();
    this.#resolveLost();
  }

  /** Nobody hears of a loss any more. */
  end(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (!this.isHeld()) this.lose();
    else if (elapsed(this.#renewed) > this.#leaseMs / 3) void this.#renew();
  }

  /** One that fails is tried again with the next tick, for as long as it runs. */
  async #renew(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      const began = now();
      if (await this.#renewIt()) this.#renewed = began;
      else this.lose();
    } catch {
      // It runs on until it is over.
    } finally {
      this.#isRenewing = false;
    }
  }
}
