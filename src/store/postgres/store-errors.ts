// What PostgreSQL says when it cannot write or read, as whoever asked is told. Codes are those of its appendix A.
import { MortiseError } from '../../core/errors.ts';

/** The transaction is gone, and made again may succeed: serialization failure, deadlock. */
const REPEATED = new Set(['40001', '40P01']);
/** Waited too long for a lock, or the server has no connection left. */
const NO_LOCK = '55P03';
const BUSY = new Set([...REPEATED, NO_LOCK, '53300', '57014', '25P03']);
const FULL = '53100';
/** Out of memory or another resource, I/O error, corrupted data, read-only, no permission, and tables that are not there. */
const UNUSABLE = /^(53|58|XX|25006|42501|42P01|3F000)/;
const BAD_TEXT = new Set(['22021', '22P05']);
const LOST = /^(08|57P|ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EHOST|ENETUNREACH|EAI_)/;
const LOST_MESSAGE =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout)/;
const WAITED = 'timeout exceeded when trying to connect';

export function isWorthRepeating(error: unknown): boolean {
  return REPEATED.has(codeOf(error));
}

/** A text with U+0000 in it: nothing that is stored equals it. */
export function hasUnstorableText(error: unknown): boolean {
  return BAD_TEXT.has(codeOf(error));
}

export function hasWaitedForLock(error: unknown): boolean {
  return codeOf(error instanceof MortiseError ? error.cause : error) === NO_LOCK;
}

export function hasLostConnection(error: unknown): boolean {
  return LOST.test(codeOf(error)) || LOST_MESSAGE.test(messageOf(error));
}

/** @returns the error itself if it is not about the database. */
export function asStoreError(error: unknown): unknown {
  if (error instanceof MortiseError) return error;
  const code = codeOf(error);
  if (BUSY.has(code) || messageOf(error) === WAITED) {
    return new MortiseError({
      code: 'store_busy',
      status: 503,
      message: `PostgreSQL was too busy, or others held what was to be changed, so nothing was written (${code || 'no connection was free'}).`,
      hint: 'Try again. If it lasts, look for a transaction that is kept open across slow work, and at max_connections.',
      cause: error,
    });
  }
  if (hasLostConnection(error)) {
    return new MortiseError({
      code: 'store_unreachable',
      status: 503,
      message: `The connection to PostgreSQL was lost (${code || messageOf(error)}); what was being written may or may not be there.`,
      hint: 'Try again: what is repeated under the same key is done once. The host goes on by itself when PostgreSQL is back.',
      cause: error,
    });
  }
  if (code === FULL) {
    return new MortiseError({
      code: 'store_full',
      status: 503,
      message: 'The disk with the database is full, so nothing was written.',
      hint: 'Make room on the disk; the host goes on by itself.',
      cause: error,
    });
  }
  if (BAD_TEXT.has(code)) {
    return new MortiseError({
      code: 'text_unstorable',
      status: 422,
      message:
        'A text has the character U+0000 in it, which PostgreSQL cannot keep; nothing was written.',
      hint: 'Leave U+0000 out of names, ids and addresses.',
      cause: error,
    });
  }
  if (!UNUSABLE.test(code)) return error;
  // Without PostgreSQL's own words, which name tables: whoever calls a door reads this.
  return new MortiseError({
    code: 'store_unusable',
    status: 503,
    message: `PostgreSQL could not write (${code}), so nothing was.`,
    hint: "Look at the server's log, its disk, and the rights of this user.",
    cause: error,
  });
}

function codeOf(error: unknown): string {
  return String((error as { code?: string } | undefined)?.code ?? '');
}

function messageOf(error: unknown): string {
  return String((error as { message?: string } | undefined)?.message ?? '');
}
