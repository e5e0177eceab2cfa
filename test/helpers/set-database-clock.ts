// A database whose clock can be set, though the machine's cannot: what is asked for by the name of clock_timestamp is
// looked for in a schema before PostgreSQL's own.
import { queryOnce } from './postgres-databases.ts';

/** For connections that begin after it. @param url of the database */
export async function makeClockSettable(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  await queryOnce(
    url,
    `CREATE SCHEMA test_clock;
     CREATE TABLE test_clock.off (by interval NOT NULL);
     INSERT INTO test_clock.off VALUES ('0');
     CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
       'SELECT pg_catalog.clock_timestamp() + by FROM test_clock.off';
     ALTER DATABASE ${name} SET search_path = test_clock, pg_catalog, public`,
  );
}

export async function setDatabaseClock(url: string, offsetMs: number): Promise<void> {
  await queryOnce(url, `UPDATE test_clock.off SET by = $1 * interval '1 ms'`, [offsetMs]);
}
