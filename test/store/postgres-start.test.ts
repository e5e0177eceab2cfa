// Why a PostgreSQL database cannot be used, from the start or later: each with a stable code and what to do.
//
// Seen red: the connection that is opened with nobody who listens to its errors; a timeout that is no lost connection;
// doors that repeat what the store says.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import pg from 'pg';
import sql from 'sql-template-tag';
import type { MortiseError } from '../../src/core/errors.ts';
import { createLogger } from '../../src/core/log.ts';
import { createHost } from '../../src/index.ts';
import { readMigrations } from '../../src/store/migrations.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { LOCKS } from '../../src/store/postgres/locks.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import { checkServer } from '../../src/store/postgres/open-pool.ts';
import { asStoreError } from '../../src/store/postgres/store-errors.ts';
import { PUSH } from '../helpers/installed-addon.ts';
import { asOwner, emptyDatabase, migratedDatabase, serverUrl } from '../helpers/postgres.ts';
import { urlWith } from '../helpers/postgres-server.ts';
import { silenceable } from '../helpers/silenceable.ts';
import { SECRET_KEY, startHost } from '../helpers/start-host.ts';

const migrations = readMigrations(new URL('../../src/store/postgres/migrations/', import.meta.url));

async function errorOf(work: Promise<unknown>): Promise<MortiseError> {
  try {
    await work;
  } catch (error) {
    return error as MortiseError;
  }
  throw new Error('It did not fail.');
}

async function startErrorOf(url: string): Promise<MortiseError> {
  const store = openPostgres(url);
  try {
    return await errorOf(store.clients.find('nobody'));
  } finally {
    await store.close();
  }
}

describe('a PostgreSQL database that cannot be used', () => {
  let good: string;
  before(async () => {
    good = await migratedDatabase();
  });

  const faults: [title: string, code: string, change: (url: URL) => void, says: RegExp][] = [
    [
      'with a wrong password',
      'database_login_refused',
      (url) => {
        url.password = 'wr0ng';
      },
      /does not let "mortise" in/,
    ],
    [
      'with an unknown user',
      'database_login_refused',
      (url) => {
        url.username = 'nobody';
      },
      /"nobody"/,
    ],
    [
      'that does not exist',
      'database_missing',
      (url) => {
        url.pathname = 'not there';
      },
      /no database "not there"/,
    ],
    [
      'where nothing listens',
      'database_unreachable',
      (url) => {
        url.port = '1';
      },
      /127\.0\.0\.1:1 cannot be reached.*ECONNREFUSED/,
    ],
    [
      'without the TLS that is asked for',
      'database_tls',
      (url) => {
        url.searchParams.set('sslmode', 'verify-full');
      },
      /does not support SSL/,
    ],
  ];
  for (const [title, code, change, says] of faults) {
    it(`${title} says so, what to do, and no password`, async () => {
      const error = await startErrorOf(urlWith(good, change));
      expect(error).to.include({ code, status: 503 });
      expect(error.message).to.match(says);
      expect(error.hint).not.to.equal(undefined);
      expect(`${error.message} ${error.hint}`).not.to.match(/wr0ng|mortise:mortise/);
    });
  }

  it('may be put right: the next call tries anew', async () => {
    const name = `mortise_late_${process.pid}`;
    const url = urlWith(good, (changed) => {
      changed.pathname = name;
    });
    const store = openPostgres(url);
    expect((await errorOf(store.clients.find('nobody'))).code).to.equal('database_missing');
    await asOwner(`CREATE DATABASE ${name} TEMPLATE template0`);
    try {
      expect(await store.clients.find('nobody')).to.equal(undefined);
    } finally {
      await store.close();
      await asOwner(`DROP DATABASE ${name} WITH (FORCE)`);
    }
  });

  it('for want of rights says which, and what is said there is enough', async () => {
    const role = `mortise_poor_${process.pid}`;
    const url = await emptyDatabase();
    await asOwner(`CREATE ROLE ${role} LOGIN PASSWORD 'poor'`);
    const poor = urlWith(url, (changed) => {
      changed.username = role;
      changed.password = 'poor';
    });
    try {
      const error = await startErrorOf(poor);
      expect(error.code).to.equal('database_permission');
      await asOwner(error.hint!.slice(error.hint!.indexOf('CREATE')), [], url);
      const store = openPostgres(poor);
      expect(await store.clients.find('nobody')).to.equal(undefined);
      await store.close();
    } finally {
      await asOwner(`DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
      await asOwner(`DROP ROLE ${role}`);
    }
  });

  it('since its encoding cannot hold every text says so', async () => {
    const url = await emptyDatabase("ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'");
    expect((await startErrorOf(url)).code).to.equal('database_encoding');
  });

  it('since a later Mortise has written it is left alone', async () => {
    const url = await migratedDatabase();
    await asOwner('INSERT INTO mortise.migrations (number) VALUES (9000)', [], url);
    const error = await startErrorOf(url);
    expect(error).to.include({ code: 'database_newer', status: 500 });
    expect(error.message).to.include('version 9000');
  });

  it('since its server is too old names both versions', async () => {
    const db = new Database(good);
    const client = await (await db.open()).connect();
    const error = await errorOf(checkServer(client, 990_000));
    client.release();
    await db.close();
    expect(error.code).to.equal('database_too_old');
    expect(error.message).to.match(/is version \d+.*needs 99 or newer/);
  });

  it('without the package pg says how to get it', async () => {
    const hooks = `export async function resolve(name, context, next) {
      if (name === 'pg') throw new Error('Cannot find package');
      return next(name, context);
    }`;
    const asModule = (text: string) =>
      `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
    const register = `import { register } from 'node:module'; register('${asModule(hooks)}');`;
    const program = `import { openPostgres } from './src/store/postgres/open.ts';
      openPostgres('postgres://u:p@127.0.0.1:1/d').clients.find('x').catch((e) => console.log(e.code, e.hint));`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...['--import', 'tsx', '--import', asModule(register)],
      ...['--input-type=module', '--eval', program],
    ]);
    expect(stdout).to.match(/^database_driver_missing .*npm install pg/);
  });
});

describe('the migrations on PostgreSQL', () => {
  it('are numbered from 1 without a gap, and their names say what they do', () => {
    expect(migrations.map(({ number }) => number)).to.deep.equal(migrations.map((_, i) => i + 1));
    for (const { name } of migrations) expect(name).to.match(/^\d{4}-[a-z0-9-]+\.sql$/);
  });

  it('run once each, however many replicas start together', async () => {
    const url = await emptyDatabase();
    const replicas = Array.from({ length: 5 }, () => openPostgres(url));
    await Promise.all(replicas.map((store) => store.clients.find('nobody')));
    await Promise.all(replicas.map((store) => store.close()));
    const run = await asOwner('SELECT number FROM mortise.migrations ORDER BY number', [], url);
    expect(run).to.deep.equal(migrations.map(({ number }) => ({ number })));
  });

  it('leave nothing outside of their schema, beside tables of the product of the same names', async () => {
    const url = await emptyDatabase();
    await asOwner('CREATE TABLE events (mine text); CREATE TABLE sessions (mine text)', [], url);
    const db = new Database(url);
    await db.open();
    await db.close();
    const outside = await asOwner<{ name: string }>(
      `SELECT relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = 'public' AND c.relkind = 'r' ORDER BY 1`,
      [],
      url,
    );
    expect(outside.map(({ name }) => name)).to.deep.equal(['events', 'sessions']);
  });
});

describe('PostgreSQL, while it is used,', () => {
  let db: Database;
  let url: string;
  before(async () => {
    url = await migratedDatabase();
    db = new Database(url);
    await db.run(sql`INSERT INTO mortise.settings (name, value) VALUES ('row', '')`);
  });
  after(() => db.close());

  const change = sql`UPDATE mortise.settings SET value = 'changed' WHERE name = 'row'`;

  it('keeps others waiting for a while, and then they are told that it is busy', async () => {
    const error = await db.transaction(async (tx) => {
      await tx.run(change);
      return errorOf(
        db.transaction(async (other) => {
          await other.run(sql`SET LOCAL lock_timeout = '50ms'`);
          await other.run(change);
        }),
      );
    });
    expect(error).to.include({ code: 'store_busy', status: 503 });
  });

  it('loses connections: who was at it is told, and the next is served', async () => {
    const error = await errorOf(
      db.transaction(async (tx) => {
        await tx.run(change);
        const { pid } = (await tx.get<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`))!;
        await asOwner('SELECT pg_terminate_backend($1)', [pid], url);
        await tx.run(change);
      }),
    );
    expect(error).to.include({ code: 'store_unreachable', status: 503 });
    await db.run(change);
  });

  it('loses idle connections, and nobody notices', async () => {
    await db.run(change);
    await asOwner(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
      [],
      url,
    );
    await db.run(change).catch(() => undefined);
    await db.run(change);
  });

  it('loses the connection while it is opened: who asked is told, and the process goes on', async () => {
    const empty = await emptyDatabase();
    const holder = new pg.Client({ connectionString: empty });
    await holder.connect();
    await holder.query('SELECT pg_advisory_lock($1, 0)', [LOCKS.migrations]);
    const opened = new Database(empty);
    try {
      const error = errorOf(opened.open());
      const isWaiting = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'mortise' AND wait_event_type = 'Lock'`;
      while ((await asOwner(isWaiting, [], empty)).length === 0) await sleep(10);
      expect((await error).code).to.equal('database_unreachable');
    } finally {
      await holder.end();
    }
    await opened.run(change);
    await opened.close();
  });

  it('says nothing any more: who waits is told, and the store can be closed', async () => {
    const way = await silenceable(url);
    const silent = new Database(way.url, undefined, { queryTimeoutMs: 300 });
    await silent.run(change);
    way.silence();
    const statement = errorOf(silent.all(change));
    expect(await statement).to.include({ code: 'store_unreachable', status: 503 });
    await silent.close();
    await way.close();
  });

  it('is not waited for without end, save while it is filled', async () => {
    const { options } = await db.open();
    expect(options).to.include({ query_timeout: 30_000, keepAliveInitialDelayMillis: 10_000 });
    const filled = new Database(url, undefined, { isBeingFilled: true });
    expect((await filled.open()).options.query_timeout).to.equal(undefined);
    await filled.close();
  });

  it('cannot be written to', async () => {
    const work = db.transaction(async (tx) => {
      await tx.run(sql`SET TRANSACTION READ ONLY`);
      await tx.run(change);
    });
    expect(await errorOf(work)).to.include({ code: 'store_unusable', status: 503 });
  });

  it('cannot keep U+0000, and says what was wrong with the text', async () => {
    const work = db.run(
      sql`INSERT INTO mortise.settings (name, value) VALUES ('nul', ${'a\u0000b'})`,
    );
    expect(await errorOf(work)).to.include({ code: 'text_unstorable', status: 422 });
  });

  it('has a full disk', () => {
    const error = asStoreError(
      Object.assign(new Error('could not extend file'), { code: '53100' }),
    );
    expect(error).to.include({ code: 'store_full', status: 503 });
  });

  it('is closed', async () => {
    const closed = new Database(url);
    await closed.close();
    expect((await errorOf(closed.run(change))).code).to.equal('store_closed');
  });
});

describe('a host on PostgreSQL', () => {
  it('needs nothing but the address of the database', async () => {
    const database = await emptyDatabase();
    const running = await startHost({ database, paused: true });
    try {
      const name = { name: 'Consumer', redirectUris: [], scopes: ['repository'], owner: 'acme' };
      expect((await running.operator('POST', '/consumers', name)).status).to.equal(201);
      const { json } = await running.operator('GET', '/consumers');
      expect(json.items).to.have.length(1);
    } finally {
      await running.stop();
    }
  });

  const unusable: [why: string, database: string, says: RegExp][] = [
    ['is no URL', 'postgres://u:hidden@[/d', /is not a URL/],
    ['names no database', 'postgres://u:hidden@127.0.0.1', /names no database/],
  ];
  for (const [why, database, says] of unusable) {
    it(`whose address ${why} is not made, and the password is not repeated`, () => {
      const make = () =>
        createHost({
          platform: 'platforms/bitbucket.json',
          baseUrl: 'https://a.example',
          database,
        });
      expect(make).to.throw(says).with.property('code', 'option_invalid');
      expect(make).not.to.throw(/hidden/);
    });
  }

  it('that cannot reach it says so at no door in more than general words, and in its log', async () => {
    const logged: string[] = [];
    const running = await startHost({
      database: 'postgres://somebody:hidden@127.0.0.1:1/billing',
      log: createLogger('info', { write: (line: string) => void logged.push(line) }),
      paused: true,
      product: (host, app) => app.use(host.guard('repository')),
    });
    const form = {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${btoa('a:b')}`,
    };
    const token = { method: 'POST', headers: form, body: 'grant_type=client_credentials' };
    const cookie = { headers: { cookie: 'mortise_session=a' } };
    const answers = [
      await running.request('POST', '/oauth2/token', token),
      await running.request('GET', '/oauth2/authorize?client_id=a&response_type=code', cookie),
      await running.request('GET', '/account/authorizations', cookie),
      await running.request('GET', '/anything', { headers: { authorization: 'Bearer mta_a' } }),
      await running.operator('GET', '/consumers'),
      await running.operator('POST', '/events', { ...PUSH }),
    ];
    await running.stop();
    for (const { status, text } of answers) {
      expect(status).to.equal(503);
      expect(text).not.to.match(/somebody|hidden|127\.0\.0\.1:1|billing|ECONN/);
    }
    expect(answers[0]!.json.error).to.equal('server_error');
    expect(answers.at(-1)!.json.code).to.equal('store_unusable');
    expect(logged.join(''))
      .to.match(/127\.0\.0\.1:1/)
      .and.not.match(/hidden/);
  });

  it('that cannot reach it says so at the start', async () => {
    const database = urlWith(await serverUrl(), (url) => {
      url.port = '1';
    });
    const host = createHost({
      ...{ platform: 'platforms/bitbucket.json', baseUrl: 'https://code.example', database },
      ...{ secretKey: SECRET_KEY, log: 'silent' },
    });
    expect((await errorOf(host.start())).code).to.equal('database_unreachable');
    await host.close();
  });
});
