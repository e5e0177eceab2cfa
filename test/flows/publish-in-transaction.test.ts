import Database from 'better-sqlite3';
import { expect } from 'chai';
import { MortiseError } from '../../src/index.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

describe("publish inside the product's transaction", () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let db: Database.Database;

  beforeEach(async () => {
    running = await startHost();
    installed = await installAddon(running);
    db = new Database(running.database);
    db.pragma('synchronous = FULL');
    db.exec('CREATE TABLE product (name TEXT)');
  });
  afterEach(async () => {
    db.close();
    await running.stop();
    await installed.addon.stop();
  });

  const refused = (run: () => unknown, code: string) => {
    try {
      run();
    } catch (error) {
      expect(error).to.be.instanceOf(MortiseError);
      expect((error as MortiseError).code).to.equal(code);
      return;
    }
    throw new Error('it was not refused');
  };

  it('is delivered when that commits', async () => {
    const { id } = db.transaction(() => {
      db.prepare('INSERT INTO product VALUES (?)').run('kept');
      return running.host.publish(PUSH, { transaction: db });
    })();
    const call = await installed.addon.waitFor('/hook');
    expect(call.headers['mortise-event-id']).to.equal(id);
  });

  it('never happened when that is rolled back', async () => {
    expect(() =>
      db.transaction(() => {
        db.prepare('INSERT INTO product VALUES (?)').run('lost');
        running.host.publish(PUSH, { transaction: db });
        throw new Error('the product changed its mind');
      })(),
    ).to.throw('changed its mind');
    const { id } = await running.host.publish(PUSH);
    const call = await installed.addon.waitFor('/hook');
    expect(call.headers['mortise-event-id']).to.equal(id);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(installed.addon.to('/hook')).to.have.length(1);
    expect(db.prepare('SELECT * FROM product').all()).to.deep.equal([]);
  });

  it('takes the product’s record with it when the event is refused', () => {
    refused(
      () =>
        db.transaction(() => {
          db.prepare('INSERT INTO product VALUES (?)').run('lost');
          running.host.publish({ ...PUSH, type: 'repo:psuh' }, { transaction: db });
        })(),
      'event_type_unknown',
    );
    expect(db.prepare('SELECT * FROM product').all()).to.deep.equal([]);
  });

  it('needs an open transaction', () => {
    refused(() => running.host.publish(PUSH, { transaction: db }), 'transaction_unusable');
  });

  it('needs Mortise’s own file', () => {
    const other = new Database(':memory:');
    refused(
      () => other.transaction(() => running.host.publish(PUSH, { transaction: other }))(),
      'transaction_unusable',
    );
    other.close();
  });

  it('needs synchronous = FULL: what is acknowledged must survive power loss', () => {
    db.pragma('synchronous = NORMAL');
    refused(
      () => db.transaction(() => running.host.publish(PUSH, { transaction: db }))(),
      'transaction_unusable',
    );
  });

  it('needs a handle', () => {
    refused(() => running.host.publish(PUSH, { transaction: {} as never }), 'transaction_unusable');
  });
});
