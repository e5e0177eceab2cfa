// Bare repositories on disk, asked through the git command.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export class Repositories {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** @param fullName `workspace/repository`. */
  path(fullName: string): string {
    return join(this.root, `${fullName}.git`);
  }

  exists(fullName: string): boolean {
    return (
      /^[\w.-]+\/[\w.-]+$/.test(fullName) &&
      !fullName.includes('..') &&
      existsSync(this.path(fullName))
    );
  }

  async create(fullName: string): Promise<void> {
    if (this.exists(fullName)) return;
    mkdirSync(dirname(this.path(fullName)), { recursive: true });
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', this.path(fullName)]);
  }

  async remove(fullName: string): Promise<void> {
    if (this.exists(fullName)) await rm(this.path(fullName), { recursive: true, force: true });
  }

  async git(fullName: string, ...args: string[]): Promise<string> {
    const { stdout } = await run('git', ['--git-dir', this.path(fullName), ...args], {
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  }

  /** Every branch and tag, with what it points at. */
  async refs(fullName: string): Promise<Map<string, string>> {
    const text = await this.git(
      fullName,
      'for-each-ref',
      '--format=%(refname) %(objectname)',
      'refs/heads',
      'refs/tags',
    );
    return new Map(lines(text).map((line) => line.split(' ') as [string, string]));
  }

  /** Newest first; commits reachable from `to` and not from `from`. */
  async commits(
    fullName: string,
    to: string,
    options: { from?: string; limit: number },
  ): Promise<Commit[]> {
    const range = options.from === undefined ? [to] : [to, `^${options.from}`];
    // NUL between fields and records: the one character that a message cannot hold.
    const text = await this.git(
      fullName,
      'log',
      '-z',
      `--max-count=${options.limit}`,
      '--format=%H%x00%an <%ae>%x00%cI%x00%P%x00%B',
      '--end-of-options',
      ...range,
      '--',
    );
    const fields = text.split('\0');
    const commits: Commit[] = [];
    for (let i = 0; i + 4 < fields.length; i += FIELDS) {
      const [hash = '', author = '', date = '', parents = '', message = ''] = fields.slice(
        i,
        i + FIELDS,
      );
      commits.push({ hash, author, date, parents: parents.split(' ').filter(Boolean), message });
    }
    return commits;
  }

  /** @param name a branch, a tag or a commit. @returns the commit's hash */
  async resolve(fullName: string, name: string): Promise<string | undefined> {
    if (!/^\w[\w./-]*$/.test(name)) return undefined;
    return this.git(fullName, 'rev-parse', '--verify', '--quiet', `${name}^{commit}`).then(
      (hash) => hash.trim(),
      () => undefined,
    );
  }

  /** A file's bytes, or what is in a folder; undefined if there is neither. */
  async read(
    fullName: string,
    hash: string,
    path: string,
  ): Promise<{ content: Buffer } | { entries: TreeEntry[] } | undefined> {
    const at = `${hash}:${path.replace(/\/+$/, '')}`;
    const type = await this.git(fullName, 'cat-file', '-t', at).catch(() => '');
    if (type.trim() === 'tree') return { entries: await this.#entries(fullName, at) };
    if (type.trim() !== 'blob') return undefined;
    const { stdout } = await run(
      'git',
      ['--git-dir', this.path(fullName), 'cat-file', 'blob', at],
      {
        encoding: 'buffer',
        maxBuffer: 16 * 1024 * 1024,
      },
    );
    return { content: stdout };
  }

  async #entries(fullName: string, tree: string): Promise<TreeEntry[]> {
    const text = await this.git(fullName, 'ls-tree', '-z', '--long', tree);
    return text
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => {
        const [, type = '', size = '', name = ''] =
          /^\d+ (\w+) \w+ +(\S+)\t(.+)$/s.exec(line) ?? [];
        return { isFolder: type === 'tree', size: Number(size) || 0, name };
      });
  }

  async findCommit(fullName: string, hash: string): Promise<Commit | undefined> {
    if (!/^[0-9a-f]{7,64}$/.test(hash)) return undefined;
    const [commit] = await this.commits(fullName, hash, { limit: 1 }).catch(() => []);
    return commit;
  }
}

const FIELDS = 5;

export interface Commit {
  hash: string;
  /** `Name <address>`. */
  author: string;
  date: string;
  parents: string[];
  message: string;
}

export interface TreeEntry {
  isFolder: boolean;
  /** Bytes; 0 for folders. */
  size: number;
  name: string;
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
