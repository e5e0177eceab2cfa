// What the gate asks: whom a delivery is for, and whether that has changed since. While something is sent a session is
// open, which hears of every change within FRESH_MS, or knows that it does not.
import sql from 'sql-template-tag';
import { MortiseError } from '../../core/errors.ts';
import type { GateStore } from '../delivery-store.ts';
import type { InstallationRow, Recipient, WebhookRow } from '../rows.ts';
import type { Database } from './database.ts';
import { GateSession } from './gate-session.ts';
import { GRANT_COLUMNS, type RawGrant, readGrant } from './grants.ts';
import { installationColumns } from './installation-row.ts';
import type { Queries } from './queries.ts';
import { WEBHOOK_COLUMNS } from './webhooks.ts';

/** Without a question. */
const CLOSED_AFTER_MS = 10_000;

export class Gate implements GateStore {
  readonly #db: Database;
  readonly #own: Database;
  readonly #lifetime: () => string | undefined;
  #session: GateSession | undefined;
  #askedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param own connection, for which it never has to stand in line. @param lifetime in which what is sent was read: when
   *   PostgreSQL begins another, none of it passes. undefined: any.
   */
  constructor(db: Database, own: Database, lifetime: () => string | undefined) {
    this.#db = db;
    this.#own = own;
    this.#lifetime = lifetime;
  }

  recipient = async (installationId: string): Promise<Recipient | undefined> => {
    const session = this.#open();
    await session.refresh();
    if (!this.#isOf(session)) throw forgotten();
    for (;;) {
      session.expect(installationId);
      const recipient = await findRecipient(this.#db, installationId);
      if (!recipient || session.learn(installationId, recipient.installation.epoch)) {
        return recipient;
      }
    }
  };

  isCurrent = (installationId: string, epoch: number): boolean => {
    this.#askedAt = performance.now();
    const session = this.#session;
    return session !== undefined && this.#isOf(session) && session.isCurrent(installationId, epoch);
  };

  async close(): Promise<void> {
    await this.#shut();
    await this.#own.close();
  }

  #isOf(session: GateSession): boolean {
    const lifetime = this.#lifetime();
    return lifetime === undefined || session.lifetime === lifetime;
  }

  #open(): GateSession {
    this.#askedAt = performance.now();
    this.#timer ??= setInterval(() => {
      if (performance.now() - this.#askedAt > CLOSED_AFTER_MS) void this.#shut();
    }, CLOSED_AFTER_MS).unref();
    this.#session ??= new GateSession(this.#own);
    return this.#session;
  }

  async #shut(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }
}

function forgotten(): MortiseError {
  return new MortiseError({
    code: 'store_forgot',
    status: 503,
    message:
      'PostgreSQL has crashed, or another has taken its place, and may have forgotten its last commits: what was read before is not sent.',
    hint: 'Nothing is to be done: what is owed is read again within a second.',
  });
}

/** In one statement, so all of it is of one moment. */
async function findRecipient(db: Queries, installationId: string): Promise<Recipient | undefined> {
  const row = await db.get<
    InstallationRow & { grant: RawGrant | null; webhooks: WebhookRow[] | null }
  >(sql`SELECT ${installationColumns('i')},
      (SELECT to_json(g) FROM (SELECT ${GRANT_COLUMNS} FROM mortise.oauth_grants
        WHERE installation_id = i.id AND kind = 'installation' AND until IS NULL AND handshake_id IS NULL) g) AS "grant",
      (SELECT json_agg(w) FROM (SELECT ${WEBHOOK_COLUMNS} FROM mortise.webhooks WHERE installation_id = i.id) w)
        AS webhooks
    FROM mortise.installations i WHERE i.id = ${installationId}`);
  if (!row) return undefined;
  const { grant, webhooks, ...installation } = row;
  return {
    installation,
    grant: grant === null ? undefined : readGrant(grant),
    webhooks: new Map((webhooks ?? []).map((hook) => [hook.id, hook])),
  };
}
