// Bare repositories on disk, asked through the git command.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
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

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
