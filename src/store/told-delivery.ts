// What has become of one delivery, from what the table and the log say of it.
import type { LastAttempt, ToldDelivery } from './explanation-rows.ts';
import type { AttemptRecord } from './rows.ts';
import { readWithheld } from './withheld.ts';

/** In the table. */
export interface OwedRow {
  id: string;
  attempts: number;
  dueAt: number;
  expiresAt: number;
  behind: string | null;
}

/** In the log: an attempt, as far as it says what has become of the delivery. */
export type LoggedRow = LastAttempt & {
  id: string;
  outcome: AttemptRecord['outcome'];
  withheld: string | null;
};

/**
 * @param last of all its attempts; `ended`: the last that ended it.
 * @returns undefined if it was never owed, or its log is past retention
 */
export function toldDelivery(
  id: string,
  webhookId: string,
  open: OwedRow | undefined,
  last: LoggedRow | undefined,
  ended: LoggedRow | undefined,
): ToldDelivery | undefined {
  if (!open && !ended) return undefined;
  const shown = open ? last : ended;
  const common = {
    id,
    webhookId,
    last: shown ? readLast(shown) : null,
    withheld: shown ? readWithheld(shown.withheld) : [],
  };
  if (open) {
    const { attempts, dueAt, expiresAt, behind } = open;
    const state = attempts === 0 ? 'pending' : 'retrying';
    return { ...common, state, attempts, dueAt, expiresAt, behind };
  }
  const state = ended!.outcome as Exclude<LoggedRow['outcome'], 'retry'>;
  return { ...common, state, attempts: ended!.number, dueAt: null, expiresAt: null, behind: null };
}

function readLast({ number, at, status, reason, message }: LoggedRow): LastAttempt {
  return { number, at, status, reason, message };
}
