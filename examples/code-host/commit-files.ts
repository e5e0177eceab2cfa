// A commit without a working tree: files in, files out, on top of a branch that must not have moved meanwhile.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NOTHING = '0'.repeat(40);

export interface NewCommit {
  branch: string;
  message: string;
  author: { name: string; email: string };
  files: { path: string; content: Buffer }[];
  removed: string[];
}

/** @returns its hash. @throws what git says of a path, a branch name, or a branch that moved */
export async function commitFiles(gitDir: string, commit: NewCommit): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'code-host-index-'));
  const { name, email } = commit.author;
  const env = {
    ...process.env,
    GIT_INDEX_FILE: join(folder, 'index'),
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
  };
  async function git(args: string[], input: Buffer | string = ''): Promise<string> {
    const started = run('git', ['--git-dir', gitDir, ...args], { env });
    started.child.stdin?.on('error', () => undefined);
    started.child.stdin?.end(input);
    return (await started).stdout.trim();
  }
  try {
    const ref = `refs/heads/${commit.branch}`;
    await git(['check-ref-format', ref]);
    const parent = await git(['rev-parse', '--verify', '--quiet', ref]).catch(() => undefined);
    if (parent !== undefined) await git(['read-tree', parent]);
    const removed = commit.removed.map((path) => `0 ${NOTHING}\t${path}\0`);
    await git(['update-index', '-z', '--index-info'], removed.join(''));
    for (const { path, content } of commit.files) {
      const blob = await git(['hash-object', '-w', '--stdin'], content);
      await git(['update-index', '--add', '--cacheinfo', `100644,${blob},${path}`]);
    }
    const tree = await git(['write-tree']);
    const onTop = parent === undefined ? [] : ['-p', parent];
    const hash = await git(['commit-tree', tree, ...onTop, '-F', '-'], commit.message);
    await git(['update-ref', ref, hash, parent ?? NOTHING]);
    return hash;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
