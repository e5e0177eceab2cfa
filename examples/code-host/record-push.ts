// After a push: what moved, compared with what the product has on record; the new record and `repo:push` are one
// transaction. Killed in between, the next start finds the difference again, so no push goes untold.
import type { Host } from 'mortise';
import type { ProductDatabase } from './database.ts';
import type { Repositories } from './git.ts';
import type { Actor, Payloads } from './payloads.ts';

export interface Pushed {
  eventId: string;
  changes: number;
}

/** Bitbucket shows the newest five commits of a change. */
const COMMITS_SHOWN = 5;

export class PushRecorder {
  readonly #db: ProductDatabase;
  readonly #repositories: Repositories;
  readonly #payloads: Payloads;
  readonly #host: Host;
  #last: Promise<unknown> = Promise.resolve();

  constructor(db: ProductDatabase, repositories: Repositories, payloads: Payloads, host: Host) {
    this.#db = db;
    this.#repositories = repositories;
    this.#payloads = payloads;
    this.#host = host;
  }

  /** One at a time. @returns undefined if nothing moved */
  record(repository: string, actor: Actor): Promise<Pushed | undefined> {
    const run = this.#last.then(() => this.#record(repository, actor));
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #record(repository: string, actor: Actor): Promise<Pushed | undefined> {
    const before = this.#recorded(repository);
    const after = await this.#repositories.refs(repository);
    const names = new Set([...before.keys(), ...after.keys()]);
    const moved = [...names].filter((name) => before.get(name) !== after.get(name));
    if (moved.length === 0) return undefined;
    const changes = [];
    for (const name of moved)
      changes.push(await this.#change(repository, name, before.get(name), after.get(name)));
    const payload = { actor, repository: this.#payloads.repository(repository), push: { changes } };

    return this.#db
      .transaction((): Pushed => {
        const { id: eventId } = this.#host.publish(
          {
            type: 'repo:push',
            context: repository.split('/')[0],
            resource: repository,
            actor: actor.nickname,
            payload,
          },
          { transaction: this.#db },
        );
        this.#db.prepare('DELETE FROM code_refs WHERE repository = ?').run(repository);
        const insert = this.#db.prepare(
          'INSERT INTO code_refs (repository, name, hash) VALUES (?, ?, ?)',
        );
        for (const [name, hash] of after) insert.run(repository, name, hash);
        this.#db
          .prepare('INSERT INTO code_pushes (repository, pusher, event_id, at) VALUES (?, ?, ?, ?)')
          .run(repository, actor.nickname, eventId, Date.now());
        return { eventId, changes: changes.length };
      })
      .immediate();
  }

  #recorded(repository: string): Map<string, string> {
    const rows = this.#db
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
        : await this.#repositories.commits(repository, newHash, {
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
        .map((commit) => this.#payloads.commit(repository, commit)),
    };
  }

  async #ref(repository: string, ref: string, hash: string | undefined) {
    if (hash === undefined) return null;
    const [, kind, name] = /^refs\/(heads|tags)\/(.+)$/.exec(ref)!;
    const commit = await this.#repositories.findCommit(repository, hash);
    return {
      type: kind === 'heads' ? 'branch' : 'tag',
      name,
      target: commit ? this.#payloads.commit(repository, commit) : { type: 'commit', hash },
    };
  }

  async #isAncestor(repository: string, ancestor: string, hash: string): Promise<boolean> {
    return this.#repositories.git(repository, 'merge-base', '--is-ancestor', ancestor, hash).then(
      () => true,
      () => false,
    );
  }
}
