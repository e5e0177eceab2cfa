// Bitbucket's objects, as REST answers and event payloads show them.
import { userName } from './actors.ts';
import { findRepository } from './catalogue.ts';
import { type ProductDatabase, stableUuid } from './database.ts';
import type { Commit } from './git.ts';
import { findUser, type User } from './users.ts';
import { displayName } from './workspaces.ts';

export interface Actor {
  type: string;
  uuid: string;
  nickname: string;
  display_name: string;
  email?: string;
  links: Record<string, { href: string }>;
}

export class Payloads {
  readonly baseUrl: string;
  readonly #db: ProductDatabase;

  constructor(baseUrl: string, db: ProductDatabase) {
    this.baseUrl = baseUrl;
    this.#db = db;
  }

  /** @param actor see actors.ts. */
  actor(actor: string): Actor {
    const name = userName(actor);
    return name === undefined ? this.addon(actor) : this.user(findUser(this.#db, name));
  }

  user({ name, uuid, display_name, email }: User): Actor {
    return {
      type: 'user',
      uuid,
      nickname: name,
      display_name,
      email,
      links: this.#links(`/users/${name}`, `/${name}`),
    };
  }

  /** A workspace's own account: what an installation acts for. */
  workspace(name: string): Actor & { username: string } {
    return {
      type: 'team',
      uuid: stableUuid(`workspace ${name}`),
      username: name,
      nickname: name,
      display_name: displayName(this.#db, name),
      links: this.#links(`/workspaces/${name}`, `/${name}`),
    };
  }

  /** An add-on that writes with its own token. */
  addon(key: string): Actor {
    return {
      type: 'app_user',
      uuid: stableUuid(`addon ${key}`),
      nickname: key,
      display_name: key,
      links: {},
    };
  }

  repository(fullName: string) {
    const [workspace = '', name = ''] = fullName.split('/');
    const row = findRepository(this.#db, fullName);
    return {
      type: 'repository',
      uuid: stableUuid(`repository ${fullName}`),
      name,
      slug: name,
      full_name: fullName,
      scm: 'git',
      ...(row && {
        description: row.description,
        is_private: row.is_private === 1,
        has_issues: row.has_issues === 1,
        has_wiki: row.has_wiki === 1,
        created_on: row.created_on,
        updated_on: row.updated_on,
      }),
      owner: this.workspace(workspace),
      workspace: {
        type: 'workspace',
        uuid: stableUuid(`workspace ${workspace}`),
        slug: workspace,
        name: displayName(this.#db, workspace),
      },
      links: {
        ...this.#links(`/repositories/${fullName}`, `/${fullName}`),
        clone: [{ name: 'https', href: `${this.baseUrl}/${fullName}.git` }],
      },
    };
  }

  /** As other objects refer to it. */
  repositorySummary(fullName: string) {
    const { type, uuid, name, full_name, links } = this.repository(fullName);
    return { type, uuid, name, full_name, links };
  }

  commit(fullName: string, { hash, author, date, parents, message }: Commit) {
    return {
      type: 'commit',
      hash,
      date,
      message,
      author: { type: 'author', raw: author },
      parents: parents.map((parent) => ({ type: 'commit', hash: parent })),
      links: this.#links(
        `/repositories/${fullName}/commit/${hash}`,
        `/${fullName}/commits/${hash}`,
      ),
    };
  }

  #links(api: string, html: string): Record<string, { href: string }> {
    return { self: { href: `${this.baseUrl}/2.0${api}` }, html: { href: this.baseUrl + html } };
  }
}
