// What every host of every test would do first on its own, done once to a database that is then copied.
import { SecretBox } from '../../src/core/secret-box.ts';
import { loadInstallKey } from '../../src/lifecycle/install-key.ts';
import { openStore } from '../../src/store/open-store.ts';

export const SECRET_KEY = Buffer.alloc(32, 7).toString('base64');

/** `migrated` has tables; `host` an install key too, since to make one takes longer than most tests. */
export type Prepared = 'migrated' | 'host';

/** Of the environment: the name of the database that the tests of a run copy. */
export const TEMPLATE_VARIABLES: Record<Prepared, string> = {
  migrated: 'MORTISE_TEST_POSTGRES_MIGRATED',
  host: 'MORTISE_TEST_POSTGRES_HOST',
};

/** @param database a new one, as HostOptions has it */
export async function prepareDatabase(database: string, how: Prepared): Promise<void> {
  const store = openStore(database);
  const keys = store.installKeys;
  if (how === 'host') await loadInstallKey(keys, new SecretBox(SECRET_KEY), Date.now());
  else await keys.list();
  await store.close();
}
