// The project as it stands, uncommitted work included, without what git ignores.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

export function copyProject(root, to, nodeModules) {
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 },
  );
  for (const file of new Set(listed.split('\0'))) {
    const from = path.join(root, file);
    // Listed and deleted since.
    if (file === '' || !fs.existsSync(from)) continue;
    fs.mkdirSync(path.dirname(path.join(to, file)), { recursive: true });
    fs.copyFileSync(from, path.join(to, file));
  }
  fs.symlinkSync(fs.realpathSync(nodeModules), path.join(to, 'node_modules'));
}
