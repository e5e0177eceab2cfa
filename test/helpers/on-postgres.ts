// Names the store in the title of each suite: the same are run on SQLite, too.
import type { Context } from 'mocha';

process.env.MORTISE_TEST_STORE = 'postgres';

export const mochaHooks = {
  beforeAll(this: Context) {
    for (const suite of this.test?.parent?.suites ?? []) suite.title += ', on PostgreSQL';
  },
};
