import { openPostgres } from '../../src/store/postgres/open.ts';
import { migratedDatabase } from '../helpers/postgres.ts';
import { storeConformance } from './conformance.ts';

storeConformance('the PostgreSQL store', async () => {
  const url = await migratedDatabase();
  let store = openPostgres(url);
  return {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = openPostgres(url);
    },
    close: () => store.close(),
  };
});
