// Bitbucket's objects, as REST answers and event payloads show them.
import { stableUuid } from './database.ts';
import type { Commit } from './git.ts';
import type { User } from './users.ts';

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

  constructor(baseUrl: string) {
    this.baseUrl = baseUrl;
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
      display_name: name,
      links: this.#links(`/workspaces/${name}`, `/${name}`),
    };
  }

  /** An add-on that writes with its own token. */
  addon(key: string): Actor {
    return {
      type: 'app',
      uuid: stableUuid(`addon ${key}`),
      nickname: key,
      display_name: key,
      links: {},
    };
  }

  repository(fullName: string) {
    const [workspace = '', name = ''] = fullName.split('/');
    return {
      type: 'repository',
      uuid: stableUuid(`repository ${fullName}`),
      name,
      full_name: fullName,
      scm: 'git',
      is_private: true,
      owner: this.workspace(workspace),
      workspace: {
        type: 'workspace',
        uuid: stableUuid(`workspace ${workspace}`),
        slug: workspace,
        name: workspace,
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
