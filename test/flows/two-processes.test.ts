// Seen red: the tokens, with checks that were kept for 200 ms.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { Webhook } from 'standardwebhooks';
import { type Operator, operatorOf } from '../../examples/story/operator.ts';
import { sha256 } from '../../src/core/secrets.ts';
import { type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { MORTISE, type RunningProcess, startProcess } from '../helpers/process.ts';
import { SECRET_KEY } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const TOKEN = 'operator-token-of-two';

describe('two processes on one file', function () {
  this.timeout(60_000);
  let addon: FakeAddon;
  let folder: string;
  let first: { process: RunningProcess; url: string; operator: Operator };
  let second: typeof first;

  async function serve() {
    const process = startProcess(
      [MORTISE, 'serve', '--dev', '--platform', 'platforms/bitbucket.json', '--port', '0'],
      { MORTISE_DATA: folder, MORTISE_OPERATOR_TOKEN: TOKEN, MORTISE_SECRET_KEY: SECRET_KEY },
    );
    const [, url] = await process.waitFor(/mortise listening on (\S+)/);
    return { process, url: url!, operator: operatorOf(url!, TOKEN) };
  }

  async function form(url: string, path: string, parameters: Record<string, string>) {
    const { oauthClientId, oauthClientSecret } = addon.to('/installed').at(-1)!.json;
    const credentials = Buffer.from(`${oauthClientId}:${oauthClientSecret}`).toString('base64');
    const answer = await fetch(url + path, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams(parameters),
    });
    expect(answer.status).to.equal(200);
    return path === '/oauth2/token' ? answer.json() : undefined;
  }

  /** The first process, as a proxy in front of the product asks it. */
  async function askGuard(token: string): Promise<number> {
    const answer = await fetch(`${first.url}/oauth2/forward-auth`, {
      headers: {
        authorization: `Bearer ${token}`,
        'x-original-method': 'GET',
        'x-original-uri': '/2.0/repositories/acme/site',
      },
    });
    await answer.arrayBuffer();
    return answer.status;
  }

  const publish = (operator: Operator, n: number) =>
    operator('POST', '/events', {
      type: 'repo:push',
      context: 'acme',
      resource: 'acme/site',
      payload: { push: { changes: [] }, actor: { nickname: String(n) } },
    });

  beforeEach(async () => {
    addon = await fakeAddon();
    folder = temporaryFolder();
    [first, second] = await Promise.all([serve(), serve()]);
  });
  afterEach(async () => {
    await Promise.all([first.process.kill(), second.process.kill()]);
    await addon.stop();
  });

  it('serve every door; each event is delivered once, whoever published it; the file stays sound', async () => {
    const { status, json } = await second.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    expect(status).to.equal(201);
    const published = await Promise.all(
      Array.from({ length: 200 }, (_, i) => publish(i % 2 ? first.operator : second.operator, i)),
    );
    expect(published.map((p) => p.status)).to.satisfy((all: number[]) =>
      all.every((s) => s === 202),
    );
    await until(() => addon.to('/hook').length >= 200, '200 deliveries', 30_000);
    await until(
      async () =>
        (await first.operator('GET', '/deliveries?state=pending')).json.items.length === 0,
      'nothing to be owed',
    );
    const told = addon.to('/hook').map((call) => call.json.data.actor.nickname);
    expect(told.map(Number).sort((a, b) => a - b)).to.deep.equal(
      Array.from({ length: 200 }, (_, i) => i),
    );

    // What one process revokes, the other no longer delivers.
    await second.operator('PATCH', `/installations/${json.id}`, { state: 'disabled' });
    await publish(first.operator, 999);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(addon.to('/hook')).to.have.length(200);

    const db = new Database(join(folder, 'mortise.db'), { readonly: true });
    expect(db.pragma('integrity_check', { simple: true })).to.equal('ok');
    db.close();
  });

  it('accept no token after the answer to the call that revoked it, whichever of them answered', async () => {
    const { json } = await first.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    const file = new Database(join(folder, 'mortise.db'));
    const ways: [string, (token: string) => unknown][] = [
      ['the other process', (token) => form(second.url, '/oauth2/revoke', { token })],
      ['itself', (token) => form(first.url, '/oauth2/revoke', { token })],
      [
        'a handle of the product',
        (token) =>
          file
            .prepare('UPDATE oauth_access_tokens SET revoked_at = ? WHERE token_hash = ?')
            .run(Date.now(), sha256(token)),
      ],
      [
        'an uninstall by the other process',
        () => second.operator('DELETE', `/installations/${json.id}`),
      ],
    ];
    for (const [way, revoke] of ways) {
      const { access_token: token } = await form(second.url, '/oauth2/token', {
        grant_type: 'client_credentials',
      });
      const before: number[] = [];
      const after: number[] = [];
      let isRevoked = false;
      const caller = async () => {
        while (after.length < 50) {
          const answers = isRevoked ? after : before;
          answers.push(await askGuard(token));
        }
      };
      const callers = Promise.all(Array.from({ length: 8 }, caller));
      await until(() => before.length > 50, 'calls to pass');
      await revoke(token);
      isRevoked = true;
      await callers;
      expect(before.slice(0, 50), way).to.deep.equal(Array(50).fill(200));
      expect(new Set(after), way).to.deep.equal(new Set([401]));
    }
    file.close();
  });

  it('sign with new secrets at once, whichever of them was asked to rotate', async () => {
    const { json } = await first.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    for (const [n, { operator }] of [first, second, first, second].entries()) {
      // The one that delivers keeps what it knows of the installation.
      await publish(first.operator, n);
      await addon.waitFor('/hook', 2 * n + 1);
      const { status } = await operator('POST', `/installations/${json.id}/rotate-secret`);
      expect(status).to.equal(200);
      await publish(second.operator, n);
      const hook = await addon.waitFor('/hook', 2 * n + 2);
      const [before, now] = addon.to('/installed').slice(-2);
      for (const told of [now!, before!]) {
        const webhook = new Webhook(told.json.webhookSecret);
        webhook.verify(hook.body, hook.headers as Record<string, string>);
      }
    }
  });

  it('hand the engine over when one is killed', async () => {
    await first.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    await publish(first.operator, 1);
    await until(
      async () =>
        (await first.operator('GET', '/deliveries?state=delivered')).json.items.length === 1,
      'the first delivery to be recorded',
    );
    await first.process.kill();
    await publish(second.operator, 2);
    const call = await addon.waitFor('/hook', 2);
    expect(call.json.data.actor.nickname).to.equal('2');
    first = second;
  });
});
