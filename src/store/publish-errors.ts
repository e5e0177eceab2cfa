// What is wrong with what was to be published, whatever the store.
import { MortiseError } from '../core/errors.ts';

export function idempotencyConflict(key: string, eventId: string): MortiseError {
  return new MortiseError({
    code: 'idempotency_conflict',
    status: 409,
    message: `The idempotency key "${key}" was used for event ${eventId} with another body; nothing was published.`,
    hint: 'Use a new key for a new event, and send exactly the same body when you repeat one.',
    extensions: { eventId },
  });
}

/** @param why "it is …" */
export function transactionUnusable(why: string, hint: string, cause?: unknown): MortiseError {
  return new MortiseError({
    code: 'transaction_unusable',
    status: 500,
    message: `publish() was given a transaction it cannot join: ${why}.`,
    hint,
    cause,
  });
}
