// The git command, knowing nothing of this machine's settings and asking nobody.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const run = promisify(execFile);

export interface GitAnswer {
  isOk: boolean;
  /** What it said, on both outputs. */
  said: string;
}

export async function git(folder: string, ...args: string[]): Promise<GitAnswer> {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Test',
    GIT_AUTHOR_EMAIL: 'test@example.test',
    GIT_COMMITTER_NAME: 'Test',
    GIT_COMMITTER_EMAIL: 'test@example.test',
  };
  const options = { cwd: folder, env, timeout: 30_000, maxBuffer: 16 * 1024 * 1024 };
  return run('git', args, options).then(
    ({ stdout, stderr }) => ({ isOk: true, said: stdout + stderr }),
    ({ stdout, stderr }) => ({ isOk: false, said: `${stdout}${stderr}` }),
  );
}

/** With credentials in the address, as add-ons write it. */
export function remote(
  url: string,
  token: string,
  repository = 'acme/site',
  user = 'x-token-auth',
): string {
  return `${url.replace('//', `//${user}:${token}@`)}/${repository}.git`;
}

/** A new history with one commit, on main. */
export async function localRepository(files: Record<string, string | Buffer>): Promise<string> {
  const folder = temporaryFolder();
  await git(folder, 'init', '--quiet', '--initial-branch=main');
  await commitTo(folder, files);
  return folder;
}

export async function commitTo(
  folder: string,
  files: Record<string, string | Buffer>,
): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  await git(folder, 'add', '--all', '.');
  await git(folder, 'commit', '--quiet', '--message', 'Change files');
  return (await git(folder, 'rev-parse', 'HEAD')).said.trim();
}
