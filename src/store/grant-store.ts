// Grants, and word of those that were taken back.
import type {
  DueSecurityEvent,
  GrantView,
  SecurityEvent,
  SecurityEventAttempt,
} from './oauth-rows.ts';
import type { GrantRow } from './rows.ts';

/** Grants as their givers and operators see them. */
export interface GrantStore {
  find(id: string): Promise<GrantView | undefined>;
  /** In force, newest first. */
  list(query: { userId?: string; after?: string; limit: number }): Promise<GrantView[]>;
  findOfUser(userId: string, clientId: string): Promise<GrantView | undefined>;
  /** The grant under which a consumer acts for its owner. */
  findOwn(clientId: string): Promise<GrantRow | undefined>;
  /**
   * Tokens, codes and refresh tokens under it are dead when this resolves, and its client is owed word of it. False if
   * it had ended.
   */
  end(id: string, at: number, because: string): Promise<boolean>;
  /** With these scopes only from now on, as its client is owed word of; ends it if none is left. */
  narrow(id: string, newId: string, scopes: string[], at: number): Promise<boolean>;
  /** At most once a minute is written. */
  noteUse(id: string, at: number, from: string): Promise<void>;
  /**
   * The grant under which an installation acts as a user: made on first use, never wider than the installation's own,
   * and ended with it. Undefined for a user who is deactivated, or has taken it back since the add-on was installed; and
   * if the installation's own has ended since it was read.
   */
  actAs(own: GrantRow, userId: string, newId: string, at: number): Promise<GrantRow | undefined>;
  /** Ends every grant of a user, which each client is owed word of, and refuses new ones. */
  deactivateUser(userId: string, at: number): Promise<number>;
  isDeactivated(userId: string): Promise<boolean>;
}

/**
 * Who is told that a grant was taken back. Owed by what ends a grant against its client's will, in that transaction, if
 * the client has an address; superseded when the same user takes back more, or grants anew.
 */
export interface SecurityEventStore {
  /** The first that is due of each client. */
  due(now: number, limit: number): Promise<DueSecurityEvent[]>;
  nextDueAt(): Promise<number | undefined>;
  /** Ends it, or moves it, unless it was superseded; the attempt is kept either way. */
  record(
    id: string,
    result: { state: 'accepted' | 'failed' } | { state: 'owed'; dueAt: number },
    attempt: SecurityEventAttempt,
  ): Promise<void>;
  /** Its client has no address any more. */
  drop(id: string): Promise<void>;
  /** Newest first. */
  list(query: { clientId?: string; after?: string; limit: number }): Promise<SecurityEvent[]>;
  find(id: string): Promise<(SecurityEvent & { log: SecurityEventAttempt[] }) | undefined>;
}
