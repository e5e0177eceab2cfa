// Seen red: with migrations outside a transaction; with `journal_mode = WAL` asked for once only.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { type Migration, readMigrations } from '../../src/store/migrations.ts';
import { migrate } from '../../src/store/sqlite/migrate.ts';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const migrations = readMigrations(new URL('../../src/store/sqlite/migrations/', import.meta.url));
const latest = migrations.length;

/** Those before the one of this name. */
function before(name: string): Migration[] {
  return migrations.slice(
    0,
    migrations.findIndex((migration) => migration.name.includes(name)),
  );
}

function versionOf(db: Database.Database): number {
  return db.pragma('user_version', { simple: true }) as number;
}

function schemaOf(db: Database.Database): unknown[] {
  return db
    .prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name')
    .all();
}

describe('the migrations', () => {
  let db: Database.Database;
  beforeEach(() => {
    db = new Database(':memory:');
  });
  afterEach(() => db.close());

  it('are numbered from 1 without a gap, and their names say what they do', () => {
    expect(migrations.map(({ number }) => number)).to.deep.equal(
      Array.from({ length: latest }, (_, i) => i + 1),
    );
    for (const { name } of migrations) expect(name).to.match(/^\d{4}-[a-z0-9-]+\.sql$/);
  });

  it('bring a fresh database to the latest version', () => {
    migrate(db);
    expect(versionOf(db)).to.equal(latest);
    expect(schemaOf(db)).not.to.deep.equal([]);
    expect(db.pragma('integrity_check', { simple: true })).to.equal('ok');
    expect(db.pragma('foreign_key_check')).to.deep.equal([]);
  });

  it('change nothing when they run again', () => {
    migrate(db);
    const schema = schemaOf(db);
    migrate(db);
    expect(schemaOf(db)).to.deep.equal(schema);
    expect(versionOf(db)).to.equal(latest);
  });

  for (let version = 0; version < latest; version++) {
    it(`bring a database of version ${version} to what a fresh one is`, () => {
      migrate(db, migrations.slice(0, version));
      expect(versionOf(db)).to.equal(version);
      migrate(db);
      const fresh = new Database(':memory:');
      migrate(fresh);
      expect(schemaOf(db)).to.deep.equal(schemaOf(fresh));
      expect(versionOf(db)).to.equal(latest);
      fresh.close();
    });

    it(`that fail after version ${version} leave it as it was`, () => {
      const earlier = migrations.slice(0, version);
      migrate(db, earlier);
      const schema = schemaOf(db);
      const broken: Migration = {
        number: version + 1,
        name: 'broken.sql',
        sql: 'CREATE TABLE half (id TEXT); CREATE TABLE half (id TEXT);',
      };
      expect(() => migrate(db, [...earlier, broken])).to.throw(/half/);
      expect(versionOf(db)).to.equal(version);
      expect(schemaOf(db)).to.deep.equal(schema);
      migrate(db);
      expect(versionOf(db)).to.equal(latest);
    });
  }

  it('that fail at the end leave the latest version as it was', () => {
    const broken = {
      number: latest + 1,
      name: 'broken.sql',
      sql: 'CREATE TABLE half (id); nonsense',
    };
    expect(() => migrate(db, [...migrations, broken])).to.throw(/nonsense/);
    expect(versionOf(db)).to.equal(latest);
    const fresh = new Database(':memory:');
    migrate(fresh);
    expect(schemaOf(db)).to.deep.equal(schemaOf(fresh));
    fresh.close();
  });
});

describe('an event that was published before there were tables by day', () => {
  it('is found for its deliveries on the day of the upgrade too', async () => {
    const file = join(temporaryFolder(), 'before.db');
    const db = new Database(file);
    migrate(db, before('delivery-engine'));
    const eventAt = Date.now();
    db.prepare(
      `INSERT INTO events (seq, id, type, context, payload, created_at)
       VALUES (7, 'event', 'repo:push', 'acme', x'7b7d', ?)`,
    ).run(eventAt);
    db.close();
    const store = openSqlite(file);
    expect((await store.events.findOwed({ eventSeq: 7, eventAt }))?.id).to.equal('event');
    await store.close();
  });
});

describe('the log of states', () => {
  it('begins with what grants, and the last change, tell of the time before it', () => {
    const db = new Database(':memory:');
    migrate(db, before('installation-log'));
    const installation = db.prepare(
      `INSERT INTO installations (id, addon_key, context, client_key, oauth_client_id, state, created_at, updated_at)
       VALUES (@id, @id, 'acme', @id, @id, @state, 10, 70)`,
    );
    const client = db.prepare(
      `INSERT INTO oauth_clients (id, kind, installation_id, enabled, created_at)
       VALUES (@id, 'installation', @id, 1, 10)`,
    );
    const grant = db.prepare(
      `INSERT INTO oauth_grants (id, client_id, installation_id, kind, scopes, handshake_id, since, until)
       VALUES (@id, @of, @of, @kind, '[]', @handshake, @since, @until)`,
    );
    const grants: [
      of: string,
      since: number,
      until: number | null,
      kind?: string,
      handshake?: string,
    ][] = [
      // Twice changed, uninstalled, installed again.
      ['back', 10, 20],
      ['back', 20, 20],
      ['back', 20, 30],
      ['back', 50, null],
      ['back', 35, 40, 'act_as_user'],
      ['gone', 10, 60],
      ['off', 10, null],
      ['pending', 10, null, 'installation', 'under way'],
    ];
    for (const [id, state] of [
      ['back', 'enabled'],
      ['gone', 'uninstalled'],
      ['off', 'disabled'],
      ['pending', 'pending'],
    ]) {
      installation.run({ id, state });
      client.run({ id });
    }
    for (const [i, [of, since, until, kind = 'installation', handshake = null]] of grants.entries())
      grant.run({ id: `grant-${i}`, of, since, until, kind, handshake });
    migrate(db);
    const states = db
      .prepare('SELECT installation_id, state, since, until FROM installation_states ORDER BY 1, 3')
      .raw()
      .all();
    expect(states).to.deep.equal([
      ['back', 'enabled', 10, 30],
      ['back', 'enabled', 50, null],
      ['gone', 'enabled', 10, 60],
      ['off', 'enabled', 10, 70],
      ['off', 'disabled', 70, null],
    ]);
    db.close();
  });
});

describe('a database file', () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder();
  });

  it('of a newer version is refused with a sentence that says what to do, and is left alone', () => {
    const file = join(folder, 'newer.db');
    const db = new Database(file);
    migrate(db);
    db.pragma(`user_version = ${latest + 1}`);
    const schema = schemaOf(db);
    expect(() => openSqlite(file))
      .to.throw(
        `The database is at version ${latest + 1}; this Mortise knows versions up to ${latest}.`,
      )
      .with.property('code', 'database_newer');
    try {
      openSqlite(file);
    } catch (error) {
      expect((error as { hint: string }).hint).to.match(/Start the newer Mortise/);
    }
    expect(versionOf(db)).to.equal(latest + 1);
    expect(schemaOf(db)).to.deep.equal(schema);
    db.close();
  });

  it('is opened by two processes at once, both for the first time', async function () {
    this.timeout(60_000);
    const openers = [new Opener(), new Opener()];
    try {
      for (const opener of openers) expect(await opener.answer()).to.equal('ready');
      for (let round = 0; round < 100; round++) {
        const file = join(folder, `${round}.db`);
        const at = Date.now() + 3;
        for (const opener of openers) opener.open(file, at);
        for (const opener of openers) expect(await opener.answer()).to.equal('opened');
        const db = new Database(file);
        expect(versionOf(db)).to.equal(latest);
        expect(db.prepare('SELECT COUNT(*) FROM install_keys').pluck().get()).to.equal(1);
        db.close();
      }
    } finally {
      for (const opener of openers) await opener.stop();
    }
  });
});

const OPENER = `
  import { createInterface } from 'node:readline';
  import { openSqlite } from './src/store/sqlite/open.ts';
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    const { file, at } = JSON.parse(line);
    while (Date.now() < at);
    try {
      const store = openSqlite(file);
      const kid = String(process.pid);
      await store.installKeys.addFirst({ kid, publicPem: '', privateSealed: '', createdAt: 0 });
      await store.close();
      console.log('opened');
    } catch (error) {
      console.log(String(error.code ?? '') + ' ' + error.stack.replaceAll('\\n', ' | '));
    }
  }`;

/** A process of its own that opens the files it is told to. */
class Opener {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const arguments_ = ['--import', 'tsx', '--input-type=module', '-e', OPENER];
    this.#process = spawn(process.execPath, arguments_, {
      cwd: fileURLToPath(new URL('../../', import.meta.url)),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines: Interface = createInterface({ input: this.#process.stdout! });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  /** @param at when, so that several do it in the same moment. */
  open(file: string, at: number): void {
    this.#process.stdin!.write(`${JSON.stringify({ file, at })}\n`);
  }

  async answer(): Promise<string | undefined> {
    return (await this.#lines.next()).value;
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.stdin!.end();
    await ended;
  }
}
