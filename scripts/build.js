// npm run build: TypeScript to dist/, and beside it the SQL files that are read at run time.
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
execFileSync('npx', ['tsc', '--project', 'tsconfig.build.json'], { stdio: 'inherit' });
for (const store of ['sqlite', 'postgres']) {
  const folder = `store/${store}/migrations`;
  cpSync(`src/${folder}`, `dist/${folder}`, { recursive: true });
}
