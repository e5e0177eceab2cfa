// What is copied from one store to another, in the order in which rows refer to each other.

/** Of a row. Texts, numbers and bytes only: truth is 0 or 1. */
export type Cell = string | number | Buffer | null;

export type CopiedTable = PlainTable | DailyTable;

interface PlainTable {
  name: string;
  /** By what its rows are read in order; `rowid`: they have no key, or their order by it says something. */
  key: string[];
  /** Where the target keeps the rowid. */
  rowid?: 'seq';
  day?: undefined;
  renumbered?: undefined;
}

interface DailyTable {
  name: 'events' | 'attempts';
  key: ['seq'];
  /** The time by which its rows lie in tables of a day. */
  day: 'created_at' | 'at';
  /** Numbered anew by the target, in the order of `key`: in each day's table they begin at 1. */
  renumbered?: 'seq';
  rowid?: undefined;
}

export const COPIED_TABLES: CopiedTable[] = [
  { name: 'settings', key: ['name'] },
  { name: 'install_keys', key: ['kid'] },
  { name: 'installations', key: ['id'] },
  { name: 'installation_states', key: ['seq'] },
  { name: 'recoveries', key: ['installation_id'] },
  { name: 'oauth_clients', key: ['id'] },
  { name: 'oauth_grants', key: ['id'] },
  { name: 'oauth_access_tokens', key: ['token_hash'] },
  { name: 'oauth_consents', key: ['id_hash'] },
  { name: 'oauth_codes', key: ['code_hash'] },
  { name: 'oauth_refresh_families', key: ['id'] },
  { name: 'oauth_refresh_tokens', key: ['token_hash'] },
  { name: 'oauth_assertions', key: ['issuer', 'jti_hash'] },
  { name: 'oauth1_request_tokens', key: ['token_hash'] },
  { name: 'oauth1_access_tokens', key: ['token_hash'] },
  { name: 'oauth1_nonces', key: ['client_id', 'token', 'timestamp', 'nonce'] },
  { name: 'used_scopes', key: ['client_id', 'scope'] },
  { name: 'sessions', key: ['id_hash'] },
  { name: 'sign_ins', key: ['session_hash'] },
  { name: 'deactivated_users', key: ['user_id'] },
  { name: 'security_events', key: ['seq'] },
  { name: 'security_event_attempts', key: ['seq'] },
  { name: 'handshakes', key: ['id'] },
  { name: 'lifecycle_calls', key: ['seq'] },
  { name: 'lifecycle_exchanges', key: ['seq'] },
  { name: 'webhooks', key: ['rowid'], rowid: 'seq' },
  { name: 'webhook_periods', key: ['rowid'] },
  { name: 'subscriptions', key: ['context', 'event_type', 'installation_id', 'webhook_id'] },
  { name: 'granted_resources', key: ['installation_id', 'resource'] },
  { name: 'events', key: ['seq'], day: 'created_at' },
  { name: 'event_keys', key: ['context', 'idempotency_key'] },
  { name: 'outbox', key: ['seq'] },
  { name: 'deliveries', key: ['id'] },
  { name: 'lane_states', key: ['installation_id'] },
  { name: 'attempts', key: ['seq'], day: 'at', renumbered: 'seq' },
  { name: 'replays', key: ['id'] },
];

/** A table of the source, or one day's of it. */
export interface Part {
  /** As the source calls it. */
  name: string;
  table: CopiedTable;
}

export interface Chunk {
  rows: Cell[][];
  /** Where the next begins; null: there is none. */
  next: string | null;
}

export interface CopySource {
  /** The same for the same database, wherever it lies. */
  origin: string;
  /** Of the last event that was ever published; 0: there was none. */
  lastEventNumber: number;
  /** In order; of days the oldest first. */
  parts(): Part[];
  /** Those that `read` gives, in its order. */
  columns(table: CopiedTable): string[];
  read(part: Part, from: string | null): Chunk;
  /** @throws source_changed if anybody has written to it since it was opened */
  checkUnchanged(): void;
  close(): void;
}

export interface CopyProgress {
  /** null: nothing is copied yet, or all is. */
  next: string | null;
  rows: number;
  isDone: boolean;
}

export interface CopyTarget {
  /**
   * Makes it ready for one origin.
   * @throws target_not_empty, target_finished
   */
  begin(origin: string): Promise<void>;
  progress(part: Part): Promise<CopyProgress>;
  /** Rows and progress in one transaction: killed in between, it goes on where it stopped. */
  write(part: Part, columns: string[], chunk: Chunk): Promise<void>;
  /** All rows of a table as the source would give them, some at a time and in whatever order. */
  readAll(table: CopiedTable, columns: string[], each: (rows: Cell[][]) => void): Promise<void>;
  /** Numbers go on above those that were copied, and a host may use it. */
  finish(lastEventNumber: number): Promise<void>;
  close(): Promise<void>;
}
