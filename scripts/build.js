// npm run build: TypeScript to dist/, and beside it the SQL files that are read at run time.
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
execFileSync('npx', ['tsc', '--project', 'tsconfig.build.json'], { stdio: 'inherit' });
cpSync('src/store/sqlite/migrations', 'dist/store/sqlite/migrations', { recursive: true });
