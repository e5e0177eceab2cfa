// One PostgreSQL for all files of a run, whichever process runs them, and the databases that theirs are copied from.
import { createTemplate, dropDatabase } from './postgres-databases.ts';
import { startPostgres } from './postgres-server.ts';
import { type Prepared, TEMPLATE_VARIABLES } from './prepared-database.ts';

const TEMPLATES: Prepared[] = ['migrated', 'host'];

let tidy: () => Promise<void> = async () => undefined;

export async function mochaGlobalSetup(): Promise<void> {
  const given = process.env.MORTISE_TEST_POSTGRES_URL;
  const server = given ? undefined : await startPostgres();
  const url = given ?? server!.url;
  process.env.MORTISE_TEST_POSTGRES_URL = url;
  const names: string[] = [];
  for (const how of TEMPLATES) {
    const name = await createTemplate(url, how);
    process.env[TEMPLATE_VARIABLES[how]] = name;
    names.push(name);
  }
  tidy = async () => {
    if (server) await server.stop();
    else for (const name of names) await dropDatabase(url, name);
  };
}

export async function mochaGlobalTeardown(): Promise<void> {
  await tidy();
}
