// Seen red: with secrets written as they are; with a ciphertext that is not bound to its row.
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { Webhook } from 'standardwebhooks';
import { SecretBox } from '../../src/core/secret-box.ts';
import { acknowledgedSecrets } from '../../src/store/installation-secrets.ts';
import type { InstallationRow } from '../../src/store/rows.ts';
import { type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { PUSH, tokenRequest } from '../helpers/installed-addon.ts';
import { OPERATOR_TOKEN, type RunningHost, SECRET_KEY, startHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const NEW_KEY = Buffer.alloc(32, 9).toString('base64');

describe('secrets at rest', () => {
  let file: string;
  let addon: FakeAddon;
  let running: RunningHost;

  beforeEach(async () => {
    file = join(temporaryFolder(), 'mortise.db');
    addon = await fakeAddon();
    running = await startHost({ database: file });
  });
  afterEach(async () => {
    await running.stop();
    await addon.stop();
  });

  async function install(context = 'acme') {
    const { descriptorUrl } = addon;
    const answer = await running.operator('POST', '/installations', { descriptorUrl, context });
    expect(answer.status, answer.text).to.equal(201);
    return { id: answer.json.id as string, told: addon.to('/installed').at(-1)!.json };
  }

  async function restart(options: { secretKey: string; previousSecretKeys?: string[] }) {
    await running.stop();
    running = await startHost({ database: file, paused: true, ...options });
  }

  /** Every byte of the database and of the files beside it. */
  function bytesAtRest(): Buffer {
    const names = readdirSync(dirname(file));
    return Buffer.concat(names.map((name) => readFileSync(join(dirname(file), name))));
  }

  /** A text, and the ways it may be written. */
  function formsOf(secret: string): Buffer[] {
    const bytes = Buffer.from(secret);
    const random = Buffer.from(secret.replace(/^(whsec_|mta_)/, ''), 'base64');
    return [
      bytes,
      random,
      ...[bytes, random].flatMap((value) =>
        (['base64', 'base64url', 'hex'] as const).map((encoding) =>
          Buffer.from(value.toString(encoding).replace(/=+$/, '')),
        ),
      ),
      Buffer.from(JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/')),
      Buffer.from(encodeURIComponent(secret)),
    ];
  }

  function expectNoneAtRest(secrets: Record<string, string>): void {
    const bytes = bytesAtRest();
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret, name).to.be.a('string').with.length.greaterThan(20);
      const found = formsOf(secret).filter((form) => bytes.includes(form));
      expect(found.map(String), `${name} in the files`).to.deep.equal([]);
    }
  }

  async function useEverything(): Promise<Record<string, string>> {
    const { told } = await install();
    const { oauthClientId, oauthClientSecret, sharedSecret, webhookSecret } = told;
    const token = await tokenRequest(running, oauthClientId, oauthClientSecret, {
      grant_type: 'client_credentials',
    });
    const authorization = `Bearer ${token.json.access_token}`;
    const seen = await running.request('GET', '/addon/v1/installation', {
      headers: { authorization },
    });
    expect(seen.status).to.equal(200);
    await running.operator('POST', '/events', PUSH);
    await addon.waitFor('/hook');
    return {
      sharedSecret,
      webhookSecret,
      oauthClientSecret,
      accessToken: token.json.access_token,
      secretKey: SECRET_KEY,
      operatorToken: OPERATOR_TOKEN,
    };
  }

  it('are nowhere in the files, while they are in use and afterwards', async () => {
    const secrets = await useEverything();
    expectNoneAtRest(secrets);
    await running.stop();
    expectNoneAtRest(secrets);
    const bytes = bytesAtRest();
    expect(bytes.includes('PRIVATE KEY'), 'the private install key').to.equal(false);
    // That it would be seen: what is no secret is there.
    expect(bytes.includes('BEGIN PUBLIC KEY')).to.equal(true);
    expect(bytes.includes(addon.to('/installed')[0]!.json.clientKey)).to.equal(true);
    running = await startHost({ database: file });
  });

  it('are nowhere in the files when the add-on answers with what it was sent', async () => {
    addon.respond = (call, response) => void response.end(call.body);
    expectNoneAtRest(await useEverything());
  });

  it('are nowhere in the files when it answers with that and escapes "/", as PHP does', async () => {
    addon.respond = (call, response) =>
      void response.end(call.body.toString('utf8').replaceAll('/', '\\/'));
    const all: Record<string, string> = {};
    for (let i = 0; i < 10; i++) all[`secret ${i}`] = (await install(`c${i}`)).told.webhookSecret;
    expectNoneAtRest(all);
  });

  it('are nowhere in the files when the add-on refuses the install with what it was sent', async () => {
    addon.respond = (call, response) => void response.writeHead(500).end(call.body);
    const { descriptorUrl } = addon;
    const answer = await running.operator('POST', '/installations', {
      descriptorUrl,
      context: 'acme',
    });
    expect(answer.status).to.equal(502);
    const { sharedSecret, webhookSecret, oauthClientSecret } = addon.to('/installed')[0]!.json;
    const secrets = { sharedSecret, webhookSecret, oauthClientSecret };
    expectNoneAtRest(secrets);
    for (const secret of Object.values(secrets)) expect(answer.text).not.to.include(secret);
  });

  describe('in a row', () => {
    function rows(): Database.Database {
      return new Database(file);
    }

    async function find(id: string): Promise<InstallationRow> {
      return (await running.host.parts.store.installations.find(id))!;
    }

    function errorOf(row: InstallationRow, box = running.host.parts.box) {
      try {
        acknowledgedSecrets(box, row);
      } catch (error) {
        return error as { code: string; message: string; hint: string };
      }
      throw new Error('it was read');
    }

    it('cannot be read in another row', async () => {
      const [a, b] = [await install('acme'), await install('globex')];
      const db = rows();
      db.prepare(
        `UPDATE installations SET acknowledged_secrets =
           (SELECT acknowledged_secrets FROM installations WHERE id = ?) WHERE id = ?`,
      ).run(a.id, b.id);
      db.close();
      const { box } = running.host.parts;
      expect(acknowledgedSecrets(box, await find(a.id))!.shared).to.equal(a.told.sharedSecret);
      expect(errorOf(await find(b.id))).to.include({
        code: 'secret_unreadable',
        message: 'A stored secret cannot be read. It was changed, or belongs to another row.',
      });
    });

    it('cannot be read when one bit was changed', async () => {
      const { id } = await install();
      const row = await find(id);
      const [version, key, iv, body] = row.acknowledgedSecrets!.split('.') as [
        string,
        string,
        string,
        string,
      ];
      const bytes = Buffer.from(body, 'base64url');
      bytes[3]! ^= 1;
      const changed = [version, key, iv, bytes.toString('base64url')].join('.');
      expect(errorOf({ ...row, acknowledgedSecrets: changed }).code).to.equal('secret_unreadable');
    });

    it('cannot be read with another key, and the sentence says which one is missing', async () => {
      const { id } = await install();
      const row = await find(id);
      const error = errorOf(row, new SecretBox(NEW_KEY));
      const keyId = row.acknowledgedSecrets!.split('.')[1];
      expect(error.code).to.equal('secret_unreadable');
      expect(error.message).to.equal(
        `A stored secret cannot be read. It was sealed with key "${keyId}", which this host was not given.`,
      );
      expect(error.hint).to.match(/MORTISE_SECRET_KEY_PREVIOUS/);
    });
  });

  describe('after a change of the key', () => {
    it('are read with the older one, and sealed with the new one', async () => {
      const { id, told } = await install();
      await restart({ secretKey: NEW_KEY, previousSecretKeys: [SECRET_KEY] });
      await running.host.start();
      await running.operator('POST', '/events', PUSH);
      const { headers, body } = await addon.waitFor('/hook');
      const mac = createHmac('sha256', told.webhookSecret).update(body).digest('hex');
      expect(headers['x-hub-signature']).to.equal(`sha256=${mac}`);
      const later = await install('globex');
      const keyOf = async (of: string) => {
        const row = (await running.host.parts.store.installations.find(of))!;
        return row.acknowledgedSecrets!.split('.')[1];
      };
      expect(await keyOf(later.id)).not.to.equal(await keyOf(id));
    });

    it('are sealed with the new one by a rotation; what that replaced is still read with the older', async () => {
      const { id, told } = await install();
      await restart({ secretKey: NEW_KEY, previousSecretKeys: [SECRET_KEY] });
      await running.host.start();
      const rotated = await running.operator('POST', `/installations/${id}/rotate-secret`);
      expect(rotated.status, rotated.text).to.equal(200);
      const row = (await running.host.parts.store.installations.find(id))!;
      const keyOf = (sealed: string | null) => sealed!.split('.')[1];
      expect(keyOf(row.previousSecrets)).not.to.equal(keyOf(row.acknowledgedSecrets));
      await running.operator('POST', '/events', PUSH);
      const { headers, body } = await addon.waitFor('/hook');
      const { webhookSecret } = addon.to('/installed').at(-1)!.json;
      for (const secret of [told.webhookSecret, webhookSecret]) {
        const verified = new Webhook(secret).verify(body, headers as Record<string, string>);
        expect(verified).to.be.an('object');
      }
    });

    it('stop the start when the older one is not given, with a sentence', async () => {
      await install();
      await restart({ secretKey: NEW_KEY });
      const error = await running.host.start().then(
        () => undefined,
        (reason) => reason,
      );
      expect(error).to.have.property('code', 'secret_unreadable');
      expect(error.message).to.match(/^A stored secret cannot be read\. It was sealed with key "/);
      expect(error.hint).to.match(/MORTISE_SECRET_KEY_PREVIOUS/);
    });
  });
});
