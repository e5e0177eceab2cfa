// Where everything is kept.
import { isPostgresUrl } from '../../store/open-store.ts';
import { invalid, missing } from './faults.ts';

export function readDatabase(database: string): string {
  if (!database)
    throw missing(
      'database',
      'where to keep everything',
      'Set MORTISE_DATABASE_URL=sqlite:PATH or postgres://user:password@host/database.',
    );
  if (isPostgresUrl(database)) return readPostgresUrl(database);
  const path = database.replace(/^sqlite:/, '');
  if (path === '')
    throw invalid('database', `"${database}" names no file.`, 'Write it like sqlite:./mortise.db');
  return path.replace(/^\/\/(?=\/|\.)/, '');
}

/** It holds a password, so it is not repeated. */
function readPostgresUrl(text: string): string {
  const example = 'Write it like postgres://user:password@host:5432/database.';
  if (!URL.canParse(text))
    throw invalid(
      'database',
      'The postgres URL is not a URL.',
      `${example} Percent-encode special characters.`,
    );
  if (new URL(text).pathname.length < 2)
    throw invalid('database', 'The postgres URL names no database.', example);
  return text;
}
