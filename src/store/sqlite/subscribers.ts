// Who is told of an event: asked for each one, answered alike for all of a kind until somebody's subscriptions change.
import type { Database } from 'better-sqlite3';
import { DELIVERIES_PER_CHUNK } from '../wide-events.ts';

export type Told = [installationId: string, webhookId: string];

/** Whom an event is for: subscription `s` of installation `i`, since before it, and its resource likewise. */
export function subscribedThen(seq: string, resource: string): string {
  return `s.since_seq < ${seq}
    AND (i.all_resources = 1 AND i.all_resources_since_seq < ${seq} OR EXISTS (
      SELECT 1 FROM granted_resources r
      WHERE r.installation_id = i.id AND r.resource = ${resource} AND r.since_seq < ${seq}))`;
}

/** What an event is asked for by. */
interface ToldOf {
  seq: number;
  type: string;
  context: string;
  resource: string | null;
}

interface Known {
  rows: Told[];
  /** Of each row: told of events after this number. */
  since: number[];
  /** The greatest of them. */
  sinceAll: number;
}

/** Of kinds; with more, all are asked for anew. */
const MOST_KNOWN = 1_000;
/** Rows of all kinds, likewise. */
const MOST_ROWS = 50_000;
const NEVER = Number.MAX_SAFE_INTEGER;

export class Subscribers {
  readonly #find;
  readonly #version;
  readonly #known = new Map<string, Known | null>();
  #rows = 0;
  /** Of the file, moved by whatever another connection commits. */
  #seenVersion = -1;

  constructor(db: Database) {
    this.#find = db
      .prepare<[string | null, string, string], [...Told, since: number]>(
        `SELECT installation_id, webhook_id, since FROM (
           SELECT s.installation_id, s.webhook_id, MAX(s.since_seq, MIN(
             CASE WHEN i.all_resources = 1 THEN i.all_resources_since_seq ELSE ${NEVER} END,
             COALESCE((SELECT r.since_seq FROM granted_resources r
               WHERE r.installation_id = i.id AND r.resource = ?), ${NEVER}))) AS since
           FROM subscriptions s JOIN installations i ON i.id = s.installation_id
           WHERE s.context = ? AND s.event_type = ?)
         WHERE since < ${NEVER} ORDER BY installation_id, webhook_id LIMIT ${DELIVERIES_PER_CHUNK + 1}`,
      )
      .raw();
    this.#version = db.prepare<[], number>('PRAGMA data_version').pluck();
    this.#watch(db);
  }

  /** After events were read, and before it is asked of them: what was committed before they were is seen then. */
  refresh(): void {
    const version = this.#version.get()!;
    if (version !== this.#seenVersion) this.#forget();
    this.#seenVersion = version;
  }

  /** Not inside a transaction, which may be rolled back. @returns undefined if they are more than a chunk has */
  of({ seq, type, context, resource }: ToldOf): Told[] | undefined {
    const name = nameOf(type, context, resource);
    let known = this.#known.get(name);
    if (known === undefined) {
      known = this.#read(type, context, resource);
      if (this.#known.size >= MOST_KNOWN || this.#rows >= MOST_ROWS) this.#forget();
      this.#known.set(name, known);
      this.#rows += known?.rows.length ?? 0;
    }
    if (known === null) return undefined;
    const { rows, since, sinceAll } = known;
    return sinceAll < seq ? rows : rows.filter((_, i) => since[i]! < seq);
  }

  #read(type: string, context: string, resource: string | null): Known | null {
    const found = this.#find.all(resource, context, type);
    if (found.length > DELIVERIES_PER_CHUNK) return null;
    const since = found.map((row) => row[2]);
    return {
      rows: found.map(([installationId, webhookId]) => [installationId, webhookId]),
      since,
      sinceAll: Math.max(0, ...since),
    };
  }

  #forget(): void {
    this.#known.clear();
    this.#rows = 0;
  }

  /** What this connection changes moves no version of its own. */
  #watch(db: Database): void {
    db.function('mortise_told_changed', () => {
      this.#forget();
      return null;
    });
    const changes = [
      ...['INSERT', 'DELETE', 'UPDATE'].map((change) => `${change} ON main.subscriptions`),
      ...['INSERT', 'DELETE', 'UPDATE'].map((change) => `${change} ON main.granted_resources`),
      'UPDATE OF all_resources, all_resources_since_seq ON main.installations',
      'DELETE ON main.installations',
    ];
    for (const [i, change] of changes.entries()) {
      db.exec(`CREATE TEMP TRIGGER told_changed_${i} AFTER ${change}
        BEGIN SELECT mortise_told_changed(); END`);
    }
  }
}

/** Contexts and resources are the product's own names, with anything in them. */
function nameOf(type: string, context: string, resource: string | null): string {
  return `${type} ${context.length} ${context}${resource === null ? '' : ` ${resource}`}`;
}
