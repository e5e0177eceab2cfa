// Why a database cannot be used from the start, each with what to do. No password is ever repeated.
import { MortiseError } from '../../core/errors.ts';
import { hasLostConnection } from './store-errors.ts';

interface PgError {
  code?: string;
  message?: string;
}

function failure(code: string, message: string, hint: string, cause?: unknown): MortiseError {
  return new MortiseError({ code, status: 503, message, hint, cause });
}

export function driverMissing(cause: unknown): MortiseError {
  return failure(
    'database_driver_missing',
    'The database is PostgreSQL, and the package "pg" is not installed: who uses SQLite does not need it.',
    'Install it beside mortise: npm install pg',
    cause,
  );
}

export function serverTooOld(version: string, needed: number): MortiseError {
  return failure(
    'database_too_old',
    `The PostgreSQL server is version ${version}; Mortise needs ${needed} or newer, the oldest that it is tested with and that still gets security fixes.`,
    `Upgrade the server to PostgreSQL ${needed} or newer.`,
  );
}

export function wrongEncoding(encoding: string): MortiseError {
  return failure(
    'database_encoding',
    `The database's encoding is ${encoding}, which cannot hold every text that add-ons and products send.`,
    "Create it anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
  );
}

export function isReadOnly(): MortiseError {
  return failure(
    'database_read_only',
    'The PostgreSQL server is a standby, which cannot be written to.',
    'Give the address of the primary; of several hosts choose it with target_session_attrs at the pooler.',
  );
}

/** @param cause of the first connection */
export function connectFailure(url: string, cause: unknown): MortiseError {
  const { code = '', message = '' } = cause as PgError;
  const { host, database, user } = partsOf(url);
  if (code === '3D000') {
    return failure(
      'database_missing',
      `There is no database "${database}" on ${host}.`,
      `Create it: createdb --encoding UTF8 ${database}`,
      cause,
    );
  }
  if (code.startsWith('28') || code === '42501' || message.startsWith('SASL')) {
    return failure(
      'database_login_refused',
      `PostgreSQL on ${host} does not let "${user}" in: ${message}.`,
      'Check user and password in MORTISE_DATABASE_URL (percent-encode special characters), and pg_hba.conf on the server.',
      cause,
    );
  }
  if (/SSL|certificate|self-signed/i.test(`${code} ${message}`)) {
    return failure(
      'database_tls',
      `No secure connection to PostgreSQL on ${host}: ${message}.`,
      'Set sslmode in MORTISE_DATABASE_URL to what the server offers, and sslrootcert to the authority that signed its certificate.',
      cause,
    );
  }
  return failure(
    'database_unreachable',
    `PostgreSQL on ${host} cannot be reached: ${reasonOf(cause)}.`,
    'Check that it runs and takes connections, that the address in MORTISE_DATABASE_URL is right, and that no firewall stands between.',
    cause,
  );
}

/** @param cause of making or changing the tables */
export function migrationFailure(url: string, cause: unknown): MortiseError {
  if (cause instanceof MortiseError) return cause;
  if (hasLostConnection(cause)) return connectFailure(url, cause);
  const { code, message = '' } = cause as PgError;
  const { database, user } = partsOf(url);
  if (code === '42501') {
    return failure(
      'database_permission',
      `"${user}" may not make Mortise's tables in the database "${database}": ${message}.`,
      `As its owner run: CREATE SCHEMA IF NOT EXISTS mortise AUTHORIZATION "${user}"`,
      cause,
    );
  }
  return failure(
    'database_unusable',
    `Mortise's tables in the database "${database}" cannot be brought up to date: ${message}.`,
    'Nothing was changed. If it lasts, report this with the version of PostgreSQL.',
    cause,
  );
}

export function newerDatabase(version: number, latest: number): MortiseError {
  return new MortiseError({
    code: 'database_newer',
    status: 500,
    message: `The database is at version ${version}; this Mortise knows versions up to ${latest}.`,
    hint: 'Start the newer Mortise that wrote it, or go back to a copy of the database from before.',
  });
}

export function halfCopied(): MortiseError {
  return failure(
    'database_half_copied',
    'A copy into this database was begun and is not finished: what is there is a part.',
    'Run the same "mortise migrate" again, which goes on where it stopped. Or go on with the old database, and DROP SCHEMA mortise CASCADE here.',
  );
}

/** Several addresses of one name fail together. */
function reasonOf(cause: unknown): string {
  const { message, code, errors } = cause as PgError & { errors?: PgError[] };
  return message || errors?.map((error) => error.message).join(', ') || code || 'no reason given';
}

function partsOf(url: string): { host: string; database: string; user: string } {
  const { host, pathname, username } = new URL(url);
  return {
    host: host || 'this machine',
    database: decodeURIComponent(pathname.slice(1)),
    user: decodeURIComponent(username),
  };
}
