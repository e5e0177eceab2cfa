// An OAuth 1 consumer, as its row says.
import { readList } from './lists.ts';
import type { Oauth1Consumer } from './oauth1-rows.ts';

export interface ConsumerRow {
  id: string;
  name: string;
  scopes: string | null;
  redirectUris: string;
  secret: string;
  previousSecret: string | null;
  previousUntil: number | null;
}

export function readConsumer(row: ConsumerRow): Oauth1Consumer {
  const { id, name, secret, previousSecret, previousUntil } = row;
  return {
    id,
    name,
    scopes: readList(row.scopes),
    redirectUris: JSON.parse(row.redirectUris),
    secret,
    previous:
      previousSecret === null || previousUntil === null
        ? null
        : { secret: previousSecret, until: previousUntil },
  };
}
