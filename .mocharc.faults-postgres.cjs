// What .mocharc.faults.json runs on SQLite, again on PostgreSQL: all but those that have one of their own.
const base = require('./.mocharc.faults.json');

module.exports = {
  ...base,
  require: ['test/helpers/one-postgres.ts', 'test/helpers/on-postgres.ts'],
  spec: base.spec.filter((file) => !file.includes('/replicas')),
};
