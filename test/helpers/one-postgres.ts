// One PostgreSQL for all files of a run, whichever process runs them.
import { startPostgres } from './postgres-server.ts';

let stop: (() => Promise<void>) | undefined;

export async function mochaGlobalSetup(): Promise<void> {
  if (process.env.MORTISE_TEST_POSTGRES_URL) return;
  const server = await startPostgres();
  process.env.MORTISE_TEST_POSTGRES_URL = server.url;
  stop = server.stop;
}

export async function mochaGlobalTeardown(): Promise<void> {
  await stop?.();
}
