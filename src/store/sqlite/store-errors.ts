// What SQLite says when it cannot write, as whoever asked for the write is told.
import { MortiseError } from '../../core/errors.ts';

const UNUSABLE = /^SQLITE_(IOERR|CANTOPEN|READONLY|CORRUPT|NOTADB|PERM)/;

/** @returns the error itself if it is not about the file. */
export function asStoreError(error: unknown): unknown {
  const code = String((error as { code?: string } | undefined)?.code);
  if (code.startsWith('SQLITE_FULL')) {
    return new MortiseError({
      code: 'store_full',
      status: 503,
      message: 'The disk with the database is full, so nothing was written.',
      hint: 'Make room on the disk; the host goes on by itself.',
      cause: error,
    });
  }
  if (!UNUSABLE.test(code)) return error;
  return new MortiseError({
    code: 'store_unusable',
    status: 503,
    message: `The database file could not be written (${code}), so nothing was.`,
    hint: 'Look at the disk, its limits and the rights of the file.',
    cause: error,
  });
}

/** The disk did not take what was committed. Trying again may say yes and mean nothing: the system has let go of it. */
export function notSynced(cause: unknown): MortiseError {
  return new MortiseError({
    code: 'store_not_durable',
    status: 503,
    message: `The disk did not take what was written (${(cause as NodeJS.ErrnoException).code}); whether it is there after a power loss, nobody can say.`,
    hint: 'Look at the disk, then start the host again: until then it writes nothing.',
    cause,
  });
}
