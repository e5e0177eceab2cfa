// After a push: what moved, compared with what the product has on record; the new record and `repo:push` are one
// transaction. Killed in between, the next start finds the difference again, so no push goes untold.
import { announce } from './announce.ts';
import { findRepository } from './catalogue.ts';
import type { CodeHostParts } from './parts.ts';

export interface Pushed {
  eventId: string;
  changes: number;
}

/** Bitbucket shows the newest five commits of a change. */
const COMMITS_SHOWN = 5;

export class PushRecorder {
  readonly #parts: Omit<CodeHostParts, 'pushes' | 'hooks'>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: Omit<CodeHostParts, 'pushes' | 'hooks'>) {
    this.#parts = parts;
  }

  /** One at a time. @param actor see actors.ts. @returns undefined if nothing moved */
  record(repository: string, actor: string): Promise<Pushed | undefined> {
    const run = this.#last.then(() => this.#record(repository, actor));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #record(repository: string, actor: string): Promise<Pushed | undefined> {
    const before = this.#recorded(repository);
    const after = await this.#parts.repositories.refs(repository);
    const names = new Set([...before.keys(), ...after.keys()]);
    const moved = [...names].filter((name) => before.get(name) !== after.get(name));
    if (moved.length === 0) return undefined;
    const changes: unknown[] = [];
    for (const name of moved)
      changes.push(await this.#change(repository, name, before.get(name), after.get(name)));

    const { db } = this.#parts;
    return db
      .transaction((): Pushed | undefined => {
        // Deleted meanwhile: what is recorded now would be waiting for the next one of that name.
        if (!findRepository(db, repository)) return undefined;
        const push = { changes };
        const eventId = announce(this.#parts, {
          type: 'repo:push',
          repository,
          actor,
          payload: { push },
        });
        db.prepare('DELETE FROM code_refs WHERE repository = ?').run(repository);
        const insert = db.prepare(
          'INSERT INTO code_refs (repository, name, hash) VALUES (?, ?, ?)',
        );
        for (const [name, hash] of after) insert.run(repository, name, hash);
        db.prepare(
          'INSERT INTO code_pushes (repository, pusher, event_id, at) VALUES (?, ?, ?, ?)',
        ).run(repository, this.#parts.payloads.actor(actor).nickname, eventId, Date.now());
        return { eventId, changes: changes.length };
      })
      .immediate();
  }

  #recorded(repository: string): Map<string, string> {
    const rows = this.#parts.db
      .prepare<[string], { name: string; hash: string }>(
        'SELECT name, hash FROM code_refs WHERE repository = ?',
      )
      .all(repository);
    return new Map(rows.map(({ name, hash }) => [name, hash]));
  }

  async #change(
    repository: string,
    ref: string,
    oldHash: string | undefined,
    newHash: string | undefined,
  ) {
    const all =
      newHash === undefined
        ? []
        : await this.#parts.repositories.commits(repository, newHash, {
            from: oldHash,
            limit: COMMITS_SHOWN + 1,
          });
    const isForced =
      oldHash !== undefined &&
      newHash !== undefined &&
      !(await this.#isAncestor(repository, oldHash, newHash));
    return {
      new: await this.#ref(repository, ref, newHash),
      old: await this.#ref(repository, ref, oldHash),
      created: oldHash === undefined,
      closed: newHash === undefined,
      forced: isForced,
      truncated: all.length > COMMITS_SHOWN,
      commits: all
        .slice(0, COMMITS_SHOWN)
        .map((commit) => this.#parts.payloads.commit(repository, commit)),
    };
  }

  async #ref(repository: string, ref: string, hash: string | undefined) {
    if (hash === undefined) return null;
    const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(ref)!;
    const commit = await this.#parts.repositories.findCommit(repository, hash);
    return {
      type: kind === 'heads' ? 'branch' : 'tag',
      name,
      target: commit ? this.#parts.payloads.commit(repository, commit) : { type: 'commit', hash },
    };
  }

  async #isAncestor(repository: string, ancestor: string, hash: string): Promise<boolean> {
    return this.#parts.repositories
      .git(repository, 'merge-base', '--is-ancestor', ancestor, hash)
      .then(
        () => true,
        () => false,
      );
  }
}
