// Scopes never add to what a person may do: alice administers acme, bob does not belong to it.
import { expect } from 'chai';
import { directory } from '../../examples/code-host/directory.ts';
import { Browser } from '../helpers/browser.ts';
import { authorizePath, CALLBACK, consent, registerConsumer, token } from '../helpers/consumer.ts';
import { DOORS, furnish, go, type World } from './doors.ts';
import { type RunningCodeHost, runCodeHost } from './run-code-host.ts';

const DOCS = '/2.0/repositories/acme/docs';

describe('rights in the sample code host', () => {
  let running: RunningCodeHost;
  let world: World;
  let alice: string;
  let bob: string;

  /** Of a user who allows everything. */
  async function tokenOf(user: string): Promise<string> {
    const scopes = [...running.codeHost.host.platform.scopes.all.keys()];
    const consumer = await registerConsumer(running, { scopes });
    const browser = new Browser(running);
    await browser.signIn(user);
    const code = (await consent(browser, authorizePath(consumer))).get('code')!;
    const { json } = await token(running, consumer, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: CALLBACK,
    });
    return json.access_token;
  }
  const as = (accessToken: string, method: string, path: string, body?: unknown) =>
    running.rest(method, path, body, accessToken);

  before(async () => {
    running = await runCodeHost();
    world = await furnish(running);
    alice = await tokenOf('alice');
    bob = await tokenOf('bob');
  });
  after(() => running.stop());

  it('let who administers the workspace do everything', async () => {
    for (const door of DOORS) {
      const { status, text } = await go(door, world, alice);
      expect(status, `${door.method} ${door.path}: ${text}`).to.equal(door.answers);
    }
  });

  it('let others see nothing of what is private, whatever the scopes', async () => {
    for (const door of DOORS.filter(({ path }) => path.includes('{repository}'))) {
      const { status, json } = await go(door, world, bob);
      const isNew = door.method === 'POST' && door.path.endsWith('{repository}');
      expect(status, `${door.method} ${door.path}`).to.equal(isNew ? 403 : 404);
      if (!isNew) expect(json.error.message).to.match(/^Repository acme\/\S+ not found$/);
    }
    const list = await as(bob, 'GET', '/2.0/repositories/acme');
    expect(list.json.values.map((row: { name: string }) => row.name)).to.deep.equal(['docs']);
    const snippets = await as(bob, 'GET', '/2.0/snippets/acme');
    expect(snippets.json.values).to.deep.equal([]);
    expect((await as(bob, 'GET', '/2.0/snippets/acme/1')).status).to.equal(404);
    expect((await as(bob, 'GET', '/2.0/snippets/acme/1/comments')).status).to.equal(404);
  });

  it('let others read what is public, report issues and comment', async () => {
    expect((await as(bob, 'GET', DOCS)).status).to.equal(200);
    const issue = await as(bob, 'POST', `${DOCS}/issues`, { title: 'A typo' });
    expect(issue.status).to.equal(201);
    expect(issue.json.reporter).to.include({ type: 'user', nickname: 'bob' });
    const comment = await as(bob, 'POST', `${DOCS}/issues/1/comments`, { content: { raw: 'Me' } });
    expect(comment.status).to.equal(201);
  });

  it('let others change nothing', async () => {
    const refused = [
      await as(bob, 'PUT', DOCS, { description: 'Mine' }),
      await as(bob, 'PUT', `${DOCS}/issues/1`, { state: 'closed' }),
      await as(bob, 'PUT', `${DOCS}/issues`, { enabled: false }),
      await as(bob, 'PUT', `${DOCS}/wiki/Home`, { content: { raw: 'Mine' } }),
      await as(bob, 'POST', `${DOCS}/src`, new URLSearchParams({ a: 'mine' })),
      await as(bob, 'POST', '/2.0/repositories/acme/mine', {}),
      await as(bob, 'POST', '/2.0/snippets/acme', { title: 'Mine' }),
      await as(bob, 'PUT', '/2.0/teams/acme/members/bob', { role: 'admin' }),
      await as(bob, 'GET', '/2.0/workspaces/acme/hooks'),
    ];
    for (const { status, json } of refused) {
      expect(status).to.equal(403);
      expect(json.error.message).to.match(/^Access denied\. You must have (write|admin) access\.$/);
    }
  });

  it('follow a change of who belongs to the workspace at once', async () => {
    const erin = await tokenOf('erin');
    const site = '/2.0/repositories/acme/site';
    expect((await as(erin, 'GET', site)).status).to.equal(404);
    await as(alice, 'PUT', '/2.0/teams/acme/members/erin', { role: 'write' });
    expect((await as(erin, 'GET', site)).status).to.equal(200);
    expect((await as(erin, 'PUT', `${site}/issues/1`, { state: 'open' })).status).to.equal(200);
    expect((await as(erin, 'PUT', site, { description: 'No' })).status).to.equal(403);
    const self = { role: 'admin' };
    expect((await as(erin, 'PUT', '/2.0/teams/acme/members/erin', self)).status).to.equal(403);
    const last = await as(alice, 'PUT', '/2.0/teams/acme/members/alice', { role: 'read' });
    expect(last.status).to.equal(400);
  });

  it('are what Mortise’s pages offer to choose from', async () => {
    const { contexts, resources } = directory(() => running.codeHost.parts.db);
    expect(await contexts({ id: 'alice' })).to.deep.equal([{ id: 'acme', name: 'Acme' }]);
    expect(await contexts({ id: 'bob' })).to.deep.equal([]);
    const names = (await resources('acme', 'repository')).map(({ id }) => id);
    expect(names).to.include.members(['acme/site', 'acme/docs']);
    expect(await resources('globex', 'repository')).to.deep.equal([]);
    expect(await resources('acme', 'snippet')).to.deep.equal([]);
  });

  describe('/2.0/user', () => {
    it('is the user of a user token, as passport reads it', async () => {
      const { json } = await as(bob, 'GET', '/2.0/user');
      expect(json).to.include({ type: 'user', username: 'bob', display_name: 'bob' });
      expect(json.uuid).to.match(/^\{[0-9a-f-]{36}\}$/);
      expect(json.links.html.href).to.equal(`${running.url}/bob`);
      expect(json).not.to.have.property('email');
      const { json: emails } = await as(alice, 'GET', '/2.0/user/emails');
      expect(emails.values[0].email).to.equal('alice@example.test');
    });

    it('is the workspace for a consumer that acts for itself', async () => {
      const { json } = await running.rest('GET', '/2.0/user');
      expect(json).to.include({ type: 'team', username: 'acme' });
    });

    it('changes the display name of that account only', async () => {
      const { json } = await as(bob, 'PUT', '/2.0/user', { display_name: 'Bob Bauer' });
      expect(json.display_name).to.equal('Bob Bauer');
      const { json: still } = await running.rest('GET', '/2.0/user');
      expect(still.display_name).to.equal('Acme');
    });
  });

  it('answer what is not there in the shape of Bitbucket’s errors', async () => {
    const paths = [
      '/2.0/nothing',
      '/2.0/repositories/acme/nothing',
      '/2.0/repositories/acme/site%2F..%2Fdocs',
      '/2.0/repositories/acme/site/issues/1x',
      '/2.0/repositories/acme/site/commit/main',
      '/2.0/repositories/acme/site/src/main/nothing',
      '/2.0/repositories/acme/site/src/main/..%2F..%2Fconfig',
      '/2.0/repositories/acme/site/src/--help/README.md',
      '/2.0/repositories/acme/site/wiki/Nothing',
      '/2.0/snippets/acme/999',
    ];
    for (const path of paths) {
      const { status, json } = await running.rest('GET', path);
      expect(status, path).to.equal(404);
      expect(json.type, path).to.equal('error');
      expect(json.error.message).to.be.a('string');
    }
  });

  it('leave no issues where the tracker is switched off, and no wiki', async () => {
    for (const [part, path] of [
      ['issues', `${DOCS}/issues/1`],
      ['wiki', `${DOCS}/wiki`],
    ] as const) {
      await running.rest('PUT', `${DOCS}/${part}`, { enabled: false });
      expect((await running.rest('GET', path)).status).to.equal(404);
      await running.rest('PUT', `${DOCS}/${part}`, { enabled: true });
      expect((await running.rest('GET', path)).status).to.equal(200);
    }
  });

  it('delete a repository with all that it had', async () => {
    const path = '/2.0/repositories/acme/phoenix';
    await running.rest('POST', path, {});
    await running.rest('POST', `${path}/src`, new URLSearchParams({ a: 'old' }));
    await running.rest('POST', `${path}/issues`, { title: 'Old' });
    expect((await running.rest('DELETE', path)).status).to.equal(204);
    expect((await running.rest('GET', path)).status).to.equal(404);
    expect((await running.rest('POST', path, {})).status).to.equal(201);
    expect((await running.rest('GET', `${path}/commits`)).json.values).to.deep.equal([]);
    expect((await running.rest('GET', `${path}/issues`)).json.values).to.deep.equal([]);
  });

  it('read a form with files in parts, as curl sends it', async () => {
    const form = new FormData();
    form.set('/folder/new.txt', new Blob(['from a form\n']));
    form.set('message', 'Add a file');
    form.set('files', 'README.md');
    const { status, text } = await running.request('POST', '/2.0/repositories/acme/site/src', {
      headers: { authorization: `Bearer ${alice}` },
      body: form,
    });
    expect(status, text).to.equal(201);
    const { author, message } = JSON.parse(text);
    expect(author.raw).to.match(/ <alice@example\.test>$/);
    expect(message).to.match(/^Add a file/);
    const at = '/2.0/repositories/acme/site/src';
    expect((await running.rest('GET', `${at}/main/folder/new.txt`)).text).to.equal('from a form\n');
    expect((await running.rest('GET', `${at}/main/README.md`)).status).to.equal(404);
    const { json } = await running.rest('GET', at);
    expect(json.values.map((entry: { path: string }) => entry.path)).to.include('folder');
  });
});
