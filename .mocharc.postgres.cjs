// What .mocharc.json runs on SQLite, again on PostgreSQL: every suite whose outcome depends on a store.
const base = require('./.mocharc.json');

const FOLDERS = [
  ...[
    'attacks',
    'cli',
    'clients',
    'flows',
    'oauth',
    'operations',
    'operator',
    'pages',
    'properties',
  ],
  'webhooks',
];

module.exports = {
  ...base,
  require: [...base.require, 'test/helpers/on-postgres.ts'],
  // Mocha takes a comma, in braces too, for the end of a pattern.
  spec: [
    ...FOLDERS.map((folder) => `test/${folder}/**/*.test.ts`),
    // The others name their store themselves, or are in .mocharc.faults-postgres.cjs.
    ...['clock', 'revoke', 'slow'].map((name) => `test/faults/${name}.test.ts`),
  ],
  // Not there: test/store names its stores itself; test/code-host is about a product that keeps its own tables in
  // Mortise's file; architecture, addon, bench, core, descriptor, package, platform and torture are about no store.
  ignore: [
    // SQLite's own: transactions of a better-sqlite3 handle, processes that share a file, the copy of a file.
    'test/flows/publish-in-transaction.test.ts',
    'test/flows/two-processes.test.ts',
    'test/cli/migrate.test.ts',
    // The sample code host, on a file.
    'test/flows/kill.test.ts',
    'test/flows/story.test.ts',
    // PostgreSQL is what these start on anyway.
    'test/flows/postgres.test.ts',
    // No host with a store.
    'test/cli/deliveries.test.ts',
    'test/clients/vectors.test.ts',
    'test/flows/allowed-addresses.test.ts',
    'test/pages/source-faults.test.ts',
    'test/webhooks/attempt.test.ts',
    'test/webhooks/explain.test.ts',
    'test/webhooks/fairness.test.ts',
    'test/webhooks/gate.test.ts',
    'test/webhooks/health.test.ts',
  ],
};
