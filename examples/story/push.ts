// alice clones the repository, commits twice and pushes: the real git command against the real host.
import { execFile } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface PushResult {
  hashes: string[];
  messages: string[];
  output: string;
}

export async function pushAsAlice(hostUrl: string, password: string): Promise<PushResult> {
  const folder = mkdtempSync(join(tmpdir(), 'alice-'));
  const address = new URL(`${hostUrl}/acme/site.git`);
  address.username = 'alice';
  address.password = password;
  const messages = ['Welcome the reader', 'fix'];
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=Alice Meyer', '-c', 'user.email=alice@example.test', ...args], {
      cwd: folder,
    });
  try {
    await git('clone', '--quiet', address.href, '.');
    await git('checkout', '--quiet', '-B', 'main');
    for (const message of messages) {
      appendFileSync(join(folder, 'index.html'), `<p>${new Date().toISOString()} ${message}</p>\n`);
      await git('add', '.');
      await git('commit', '--quiet', '--message', message);
    }
    const { stderr } = await git('push', '--porcelain', '--quiet', 'origin', 'main');
    const { stdout } = await git('log', '-2', '--format=%H');
    return { hashes: stdout.trim().split('\n').reverse(), messages, output: stderr.trim() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
