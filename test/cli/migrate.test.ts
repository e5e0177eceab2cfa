// mortise migrate, from a file that a real host has filled.
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { COPIED_TABLES } from '../../src/store/copied-tables.ts';
import { openStore } from '../../src/store/open-store.ts';
import { registerConsumer, tokensOfAlice } from '../helpers/consumer.ts';
import { answer } from '../helpers/fake-addon.ts';
import { installAddon, PUSH } from '../helpers/installed-addon.ts';
import { asOwner, emptyDatabase, migratedDatabase } from '../helpers/postgres.ts';
import { urlWith } from '../helpers/postgres-server.ts';
import { MORTISE, mortise, startProcess } from '../helpers/process.ts';
import { startHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

/** More than two chunks. */
const EVENTS = 2_500;
/** A megabyte each: more than one chunk. */
const LARGE = 7;
const DAY = 24 * 3_600_000;

describe('mortise migrate', function () {
  this.timeout(120_000);
  let file: string;

  before(async () => {
    file = join(temporaryFolder(), 'mortise.db');
    const running = await startHost({ database: file });
    const well = await installAddon(running);
    const ill = await installAddon(running, {
      descriptor: { key: 'ill', name: 'Ill\u0000add-on' },
    });
    ill.addon.respond = answer(500);
    await well.token();
    const consumer = await registerConsumer(running);
    await tokensOfAlice(running, consumer);
    for (let i = 0; i < 5; i++) await running.host.publish({ ...PUSH, idempotencyKey: `${i}` });
    await well.addon.waitFor('/hook', 5);
    await until(async () => {
      const { json } = await running.operator('GET', '/deliveries?state=retrying');
      return json.items.length === 5;
    }, 'deliveries that will be tried again');
    const lines = Array.from({ length: EVENTS }, () =>
      JSON.stringify({ ...PUSH, context: 'nobody' }),
    );
    for (let i = 0; i < EVENTS; i += 500) {
      const sent = await running.operator('POST', '/events', lines.slice(i, i + 500).join('\n'), {
        'content-type': 'application/x-ndjson',
      });
      expect(sent.status, sent.text).to.equal(202);
    }
    // So that logs have more than one attempt, whose order is seen.
    const replay = await running.operator('POST', '/replays', {
      installation: well.installation.id,
      state: 'any',
    });
    await until(async () => {
      const { json } = await running.operator('GET', `/replays/${replay.json.id}`);
      return json.state === 'done' && json.results.delivered === 5;
    }, 'the replay to be over');
    await running.stop();
    await well.addon.stop();
    await ill.addon.stop();
    addFromBeforeDays();
  });

  /** Large events of another day, and an attempt from before one that ended its delivery. */
  function addFromBeforeDays(): void {
    const db = new Sqlite(file);
    const at = Date.now() - 10 * DAY;
    const insert =
      db.prepare(`INSERT INTO events_00000000 (seq, id, type, context, payload, created_at)
      VALUES (?, ?, 'repo:push', 'nobody', zeroblob(1000000), ?)`);
    for (let i = 1; i <= LARGE; i++) insert.run(-i, `old ${i}`, at + i);
    const today = db
      .prepare(
        `SELECT name FROM sqlite_schema WHERE name GLOB 'attempts_[1-9]*[0-9]' ORDER BY name`,
      )
      .pluck()
      .all() as string[];
    for (const table of today) {
      db.exec(`INSERT INTO attempts_00000000 SELECT * FROM ${table} WHERE outcome = 'delivered';
        UPDATE attempts_00000000 SET at = ${at}, seq = seq + 10000, outcome = 'retry', message = 'a' || char(0) || 'b'`);
    }
    db.close();
  }

  const migrate = (to: string, from = file) => mortise(['migrate', `sqlite:${from}`, to]);
  async function failure(to: string, from = file): Promise<{ code: string; message: string }> {
    const { code, output } = await mortise(['migrate', `sqlite:${from}`, to, '--json']);
    expect(code, output).to.equal(1);
    return JSON.parse(output.slice(output.indexOf('{'))).error;
  }
  /** Of the source, by table; days together. */
  function counts(): Record<string, number> {
    const db = new Sqlite(file, { readonly: true });
    // What ended deliveries is told by the attempts too; the others are SQLite's own.
    const names = db
      .prepare(
        `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'ended_attempts_*'
         AND name NOT IN ('sqlite_sequence', 'epoch_changes')`,
      )
      .pluck()
      .all();
    const found: Record<string, number> = {};
    for (const name of names as string[]) {
      const table = name.replace(/_\d{8}$/, '');
      found[table] =
        (found[table] ?? 0) + Number(db.prepare(`SELECT COUNT(*) FROM ${name}`).pluck().get());
    }
    db.close();
    return found;
  }
  async function countsIn(url: string): Promise<Record<string, number>> {
    const found: Record<string, number> = {};
    for (const { name } of COPIED_TABLES) {
      const [row] = await asOwner<{ n: string }>(
        `SELECT count(*) AS n FROM mortise.${name}`,
        [],
        url,
      );
      found[name] = Number(row!.n);
    }
    return found;
  }
  /** Rows of the target of which one fails, or is waited for. */
  async function stopAt(url: string, table: string, doing: string): Promise<void> {
    await asOwner(
      `CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${doing}; RETURN NEW; END $$`,
      [],
      url,
    );
    await asOwner(
      `CREATE TRIGGER stop BEFORE INSERT ON mortise.${table} FOR EACH ROW EXECUTE FUNCTION public.stop()`,
      [],
      url,
    );
  }
  async function goOn(url: string): Promise<void> {
    await asOwner(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      [],
      url,
    );
    await asOwner('DROP FUNCTION public.stop CASCADE', [], url);
  }

  /** U+0000 is the one thing that is not kept. */
  const storable = <T>(value: T): T =>
    JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '\uFFFD'));

  it('knows every table of both', async () => {
    const names = COPIED_TABLES.map(({ name }) => name).sort();
    expect(Object.keys(counts()).sort()).to.deep.equal(names);
    const tables = await asOwner<{ name: string }>(
      `SELECT relname AS name FROM pg_class c WHERE relnamespace = 'mortise'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition`,
      [],
      await migratedDatabase(),
    );
    // Who runs and what has run, of PostgreSQL's own.
    const own = [
      ...['migrations', 'gate_changes', 'gates', 'lifetime'],
      ...['engine_lease', 'replicas', 'buckets', 'handed'],
    ];
    expect(
      tables
        .map(({ name }) => name)
        .filter((name) => !own.includes(name))
        .sort(),
    ).to.deep.equal(names);
  });

  it('copies everything, says so by table, and numbers go on', async () => {
    const url = await emptyDatabase();
    const { code, output } = await migrate(url);
    expect(code, output).to.equal(0);
    const there = counts();
    expect(await countsIn(url)).to.deep.equal(there);
    for (const table of [
      'oauth_access_tokens',
      'oauth_refresh_tokens',
      'attempts',
      'deliveries',
      'replays',
      'event_keys',
    ])
      expect(there[table], table).to.be.greaterThan(0);
    expect(output).to.match(
      new RegExp(`^events: ${EVENTS + LARGE + 5} rows, the same on both sides$`, 'm'),
    );
    expect(output).to.match(/^oauth_grants +\d+$/m);
    expect(output).to.match(/^events_00000000: 5 rows copied\nevents_00000000: 7 rows copied$/m);
    const [last] = await asOwner<{ n: string }>(
      'SELECT max(seq) AS n FROM mortise.events',
      [],
      url,
    );
    const [next] = await asOwner<{ n: string }>(
      `SELECT nextval('mortise.event_numbers') AS n`,
      [],
      url,
    );
    expect(Number(next!.n)).to.equal(Number(last!.n) + 1);
    const [call] = await asOwner<{ n: string; m: string }>(
      `SELECT max(seq) AS m, nextval(pg_get_serial_sequence('mortise.lifecycle_exchanges', 'seq')) AS n
       FROM mortise.lifecycle_exchanges`,
      [],
      url,
    );
    expect(Number(call!.n)).to.equal(Number(call!.m) + 1);
    const names = await asOwner<{ name: string }>(
      'SELECT addon_name AS name FROM mortise.installations ORDER BY id',
      [],
      url,
    );
    expect(names.map(({ name }) => name)).to.deep.equal(['Fake add-on', 'Ill\uFFFDadd-on']);
    const [was, is] = [openStore(file), openStore(url)];
    try {
      expect(await is.installations.list({ limit: 10 })).to.deep.equal(
        await was.installations.list({ limit: 10 }),
      );
      for (const { id } of await was.installations.list({ limit: 10 })) {
        const [before, after] = [
          await was.installations.findWebhooks(id),
          await is.installations.findWebhooks(id),
        ];
        expect(after).to.deep.equal(before);
        expect(await is.installations.findGrant(id)).to.deep.equal(
          await was.installations.findGrant(id),
        );
      }
      const list = await was.deliveries.list({ limit: 50 });
      expect(await is.deliveries.list({ limit: 50 })).to.deep.equal(list);
      for (const { id } of list.items)
        expect(await is.deliveries.find(id)).to.deep.equal(storable(await was.deliveries.find(id)));
      expect(await is.replays.list({ limit: 9 })).to.deep.equal(
        await was.replays.list({ limit: 9 }),
      );
    } finally {
      await was.close();
      await is.close();
    }
    expect((await failure(url)).code).to.equal('target_finished');
  });

  it('goes on where it was killed, and no host starts on a part', async () => {
    const url = await migratedDatabase();
    await stopAt(url, 'events', 'IF NEW.seq > 1500 THEN PERFORM pg_sleep(60); END IF');
    const killed = startProcess([MORTISE, 'migrate', `sqlite:${file}`, url]);
    await killed.waitFor(/^events_\d+: 1000 rows copied$/m);
    await until(async () => {
      const waiting = await asOwner(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
        [],
        url,
      );
      return waiting.length > 0;
    }, 'the second chunk to be written');
    await killed.kill('SIGKILL');
    await goOn(url);
    expect((await countsIn(url)).events).to.equal(1_000 + LARGE);
    const store = openStore(url);
    const refused = await store.installations.list({ limit: 1 }).catch((error) => error);
    await store.close();
    expect(refused.code).to.equal('database_half_copied');
    const { code, output } = await migrate(url);
    expect(code, output).to.equal(0);
    expect(output).not.to.match(/^installations: \d+ rows copied$/m);
    expect(output).to.match(/^events_\d+: 2000 rows copied$/m);
    const there = counts();
    expect(await countsIn(url)).to.deep.equal(there);
  });

  it('finds a row that is not what it was, and one that is missing', async () => {
    const url = await migratedDatabase();
    await stopAt(url, 'attempts', `RAISE 'enough'`);
    expect((await migrate(url)).code).to.equal(1);
    await goOn(url);
    await asOwner(
      `UPDATE mortise.oauth_clients SET secret_hash = sha256(secret_hash) WHERE kind = 'consumer'`,
      [],
      url,
    );
    await asOwner(
      'DELETE FROM mortise.events WHERE seq = (SELECT max(seq) FROM mortise.events)',
      [],
      url,
    );
    const { code, message } = await failure(url);
    expect(code).to.equal('copy_differs');
    expect(message).to.match(/oauth_clients: 3 rows on both sides, and not the same ones/);
    expect(message).to.match(
      new RegExp(
        `events: ${EVENTS + LARGE + 5} rows in the source, ${EVENTS + LARGE + 4} in the target`,
      ),
    );
    expect(message).not.to.match(/installations|oauth_grants/);
  });

  it('notices that the source was written to meanwhile', async () => {
    const url = await migratedDatabase();
    const copy = join(temporaryFolder(), 'mortise.db');
    copyFileSync(file, copy);
    await stopAt(url, 'replays', 'PERFORM pg_sleep(2)');
    const running = startProcess([MORTISE, 'migrate', `sqlite:${copy}`, url]);
    await running.waitFor(/^attempts_\d+: \d+ rows copied$/m);
    new Sqlite(copy).exec(`INSERT INTO deactivated_users VALUES ('zoe', 1)`).close();
    expect(await running.ended()).to.equal(1);
    expect(running.output()).to.match(/The source was written to while it was copied/);
  });

  describe('says what is wrong', () => {
    it('with a source that is not there, not Mortise’s, or older', async () => {
      const url = await emptyDatabase();
      const folder = temporaryFolder();
      expect((await failure(url, join(folder, 'none.db'))).code).to.equal('source_missing');
      writeFileSync(
        join(folder, 'text.db'),
        'this is a text, and has nothing of a database in it'.repeat(9),
      );
      expect((await failure(url, join(folder, 'text.db'))).code).to.equal('source_unreadable');
      new Sqlite(join(folder, 'empty.db')).exec('CREATE TABLE a (b)').close();
      expect(await failure(url, join(folder, 'empty.db'))).to.deep.include({
        code: 'source_older',
      });
      const old = join(folder, 'old.db');
      copyFileSync(file, old);
      const db = new Sqlite(old);
      db.pragma('user_version = 10');
      expect((await failure(url, old)).code).to.equal('source_older');
      db.pragma('user_version = 999');
      expect((await failure(url, old)).code).to.equal('database_newer');
      db.close();
    });

    it('with a source that a host runs on', async () => {
      const running = await startHost({ database: join(temporaryFolder(), 'mortise.db') });
      try {
        expect((await failure(await emptyDatabase(), running.database)).code).to.equal(
          'source_in_use',
        );
      } finally {
        await running.stop();
      }
    });

    it('with a target that is used, another’s, newer, or not there', async () => {
      const used = await migratedDatabase();
      await asOwner(`INSERT INTO mortise.deactivated_users VALUES ('zoe', 1)`, [], used);
      const { code, message } = await failure(used);
      expect([code, message]).to.deep.equal([
        'target_not_empty',
        'The target holds rows already, in mortise.deactivated_users for example, and they did not come from here.',
      ]);
      const begun = await migratedDatabase();
      await stopAt(begun, 'events', `RAISE 'enough'`);
      await migrate(begun);
      await goOn(begun);
      const other = join(temporaryFolder(), 'other.db');
      const running = await startHost({ database: other });
      await running.stop();
      expect((await failure(begun, other)).message).to.match(
        /A copy of another database was begun/,
      );
      const newer = await migratedDatabase();
      await asOwner('INSERT INTO mortise.migrations VALUES (999)', [], newer);
      expect((await failure(newer)).code).to.equal('database_newer');
      const nobody = urlWith(newer, (url) => {
        url.port = '1';
      });
      expect((await failure(nobody)).code).to.equal('database_unreachable');
    });

    it('with addresses that are none, without the password', async () => {
      const wrong = await mortise(['migrate', `postgres://a:secret@b/c`, 'sqlite:x']);
      expect(wrong.code).to.equal(1);
      expect(wrong.output)
        .to.match(/is no SQLite file/)
        .and.not.match(/secret/);
      for (const none of [
        'mysql://a:secret@b/c',
        'postgres://a:my/secret@b/c',
        'postgres://a:secret',
      ])
        expect((await failure(none)).message)
          .to.match(/no address of a PostgreSQL/)
          .and.not.match(/secret/);
    });
  });
});
