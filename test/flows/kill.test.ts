import { execFile } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { operatorOf } from '../../examples/story/operator.ts';
import { Browser } from '../helpers/browser.ts';
import { programFile } from '../helpers/bundle.ts';
import { authorizePath, consent } from '../helpers/consumer.ts';
import { answer, type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { type RunningProcess, startProcess } from '../helpers/process.ts';
import { verifiedSet } from '../helpers/security-events.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const run = promisify(execFile);

describe('the code host, killed with kill -9', () => {
  let addon: FakeAddon;
  let host: RunningProcess;
  let folder: string;
  let port: string;

  async function start(): Promise<string> {
    host = startProcess([await programFile('code-host')], { PORT: port, MORTISE_DATA: folder });
    const [, url] = await host.waitFor(/code host listening on (\S+)/);
    port = new URL(url!).port;
    return url!;
  }

  async function install(url: string): Promise<void> {
    const operator = operatorOf(url, readFileSync(join(folder, 'operator-token'), 'utf8'));
    const { status } = await operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    expect(status).to.equal(201);
  }

  async function push(url: string): Promise<string> {
    const clone = temporaryFolder();
    const password = readFileSync(join(folder, 'alice-git-password'), 'utf8');
    const git = (...args: string[]) =>
      run('git', ['-c', 'user.name=Alice', '-c', 'user.email=alice@example.test', ...args], {
        cwd: clone,
      });
    await git(
      'clone',
      '-q',
      url.replace('//', `//alice:${password}@`).concat('/acme/site.git'),
      '.',
    );
    await git('checkout', '-q', '-B', 'main');
    appendFileSync(join(clone, 'file'), `${Date.now()}\n`);
    await git('add', '.');
    await git('commit', '-q', '-m', 'Survive');
    await git('push', '-q', 'origin', 'main');
    return (await git('rev-parse', 'HEAD')).stdout.trim();
  }

  async function untilDelivered(count: number): Promise<void> {
    const token = readFileSync(join(folder, 'operator-token'), 'utf8');
    const operator = operatorOf(`http://localhost:${port}`, token);
    await until(async () => {
      const { json } = await operator('GET', '/deliveries?state=delivered');
      return json.items.length === count;
    }, `${count} deliveries to be recorded`);
  }

  beforeEach(async () => {
    addon = await fakeAddon();
    folder = temporaryFolder();
    port = '0';
  });
  afterEach(async () => {
    await host.kill();
    await addon.stop();
  });

  it('between the push and the delivery: the webhook arrives after the restart', async function () {
    this.timeout(60_000);
    const url = await start();
    await install(url);
    // The add-on takes the request and says nothing: the attempt is under way when the host dies.
    addon.respond = () => undefined;
    const hash = await push(url);
    const cut = await addon.waitFor('/hook');
    await host.kill();

    addon.respond = answer(204);
    await start();
    const delivered = await addon.waitFor('/hook', 2);
    expect(delivered.json.data.push.changes[0].new.target.hash).to.equal(hash);
    expect(delivered.headers['webhook-id']).to.equal(cut.headers['webhook-id']);
    await untilDelivered(1);
  });

  it('between a revocation and its telling: the consumer is told after the restart', async function () {
    this.timeout(60_000);
    let url = await start();
    const operator = () => operatorOf(url, readFileSync(join(folder, 'operator-token'), 'utf8'));
    const { json: consumer } = await operator()('POST', '/consumers', {
      name: 'Listener',
      redirectUris: ['https://client.example/callback'],
      eventsUri: `${addon.url}/events`,
      scopes: ['issue'],
    });
    const alice = new Browser({ url });
    await alice.signIn('alice');
    await consent(alice, authorizePath(consumer));
    // The receiver takes the token and says nothing: nobody knows whether it was told.
    addon.respond = () => undefined;
    const { json } = await operator()('GET', '/grants?user=alice');
    const mine = json.items.find((one: { clientId: string }) => one.clientId === consumer.clientId);
    expect((await operator()('DELETE', `/grants/${mine.id}`)).status).to.equal(204);
    await host.kill();

    const before = addon.to('/events').length;
    addon.respond = answer(202);
    url = await start();
    const told = await addon.waitFor('/events', before + 1);
    const set = await verifiedSet(told, url, consumer.clientId);
    expect(set.sub_id.sub).to.equal('alice');
    await until(async () => {
      const { items } = (await operator()('GET', '/security-events')).json;
      return items.length === 1 && items[0].state === 'accepted';
    }, 'the event to be accepted');
  });

  it('while git had the push and the host had not recorded it: the next start publishes it', async function () {
    this.timeout(60_000);
    let url = await start();
    await install(url);
    await push(url);
    await untilDelivered(1);
    await host.kill();
    // What git accepted while nobody recorded: a commit that appears in the repository itself.
    const repository = join(folder, 'repositories', 'acme', 'site.git');
    const git = (...args: string[]) =>
      run('git', [
        '-c',
        'user.name=Alice',
        '-c',
        'user.email=a@example.test',
        '--git-dir',
        repository,
        ...args,
      ]);
    const tree = (await git('rev-parse', 'main^{tree}')).stdout.trim();
    const commit = (await git('commit-tree', tree, '-p', 'main', '-m', 'Unrecorded')).stdout.trim();
    await git('update-ref', 'refs/heads/main', commit);

    url = await start();
    const told = await addon.waitFor('/hook', 2);
    expect(
      told.json.data.push.changes[0].commits.map((c: { message: string }) => c.message.trim()),
    ).to.deep.equal(['Unrecorded']);
  });
});
