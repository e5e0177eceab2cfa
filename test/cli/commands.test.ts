import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { operatorOf } from '../../examples/story/operator.ts';
import { type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { PUSH } from '../helpers/installed-addon.ts';
import { databaseEnvironment, newDatabase } from '../helpers/new-database.ts';
import { MORTISE, mortise, type RunningProcess, startProcess } from '../helpers/process.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

describe('the command line', function () {
  this.timeout(60_000);
  let addon: FakeAddon;
  let server: RunningProcess;
  let data: string;

  before(async () => {
    addon = await fakeAddon({ scopes: ['repository', 'issue'] });
    data = temporaryFolder();
    server = startProcess(
      // As in a clone, from the sources.
      [
        ...['bin/mortise.js', 'serve', '--dev', '--platform', 'platforms/bitbucket.json'],
        ...['--port', '0', '--data', data],
      ],
      databaseEnvironment(await newDatabase(data)),
    );
    await server.waitFor(/^mortise listening on http:\/\/localhost:\d+$/m);
  });
  after(async () => {
    await server.kill('SIGTERM');
    await addon.stop();
  });

  const run = (...args: string[]) => mortise(args, { MORTISE_DATA: data });
  const json = async (...args: string[]) => {
    const { code, output } = await run(...args, '--json');
    return { code, json: JSON.parse(output) };
  };

  it('installs, publishes an example and shows who was told: people read sentences', async () => {
    const installed = await run(
      'install',
      addon.descriptorUrl,
      '--context',
      'acme',
      '--scopes',
      'repository',
    );
    expect(installed.code, installed.output).to.equal(0);
    expect(installed.output).to.match(/Fake add-on \(fake-addon\) is enabled in acme/);
    expect(installed.output).to.match(/granted +repository\n/);
    expect(installed.output).to.match(/asked for, not granted +issue/);

    const sent = await run(
      'events',
      'send',
      'repo:push',
      '--context',
      'acme',
      '--resource',
      'acme/site',
    );
    expect(sent.code, sent.output).to.equal(0);
    await addon.waitFor('/hook');
    const list = await until(async () => {
      const { output } = await run('deliveries', '--state', 'delivered');
      return /repo:push +fake-addon +delivered +1/.test(output) && output;
    }, 'the delivery in the list');
    const id = /(\S+)\n*$/.exec(list)![1]!;
    const shown = await run('deliveries', id);
    expect(shown.output).to.match(/repo:push to fake-addon: delivered/);
    expect(shown.output).to.match(/attempt 1 at \S+: 204 after \d+ ms/);
    expect(shown.output).to.match(/left out: \/actor\/email \(needs "email"\)/);
    expect((await run('installations')).output).to.match(
      /fake-addon +acme +enabled +well +repository/,
    );
  });

  it('sends again one delivery or many, and says what came of it', async () => {
    const { json: list } = await json('deliveries', '--state', 'delivered');
    const { id } = list.items[0];
    const one = await run('replay', id);
    expect(one.output).to.match(new RegExp(`${id} is sent again \\(replay \\S+\\)`));
    expect(one.output).to.match(/warning: It was delivered before/);
    const again = await addon.waitFor('/hook', 2);
    expect(again.headers['webhook-id']).to.equal(id);
    await until(async () => {
      const { json: shown } = await json('deliveries', id);
      return shown.attempts.length === 2;
    }, 'the second delivery to be recorded');
    const dry = await run('replay', '--state', 'any', '--dry-run');
    expect(dry.output).to.match(/^1 would be sent again; nothing was\.$/m);
    const many = await run('replay', '--state', 'any', '--event-type', 'repo:push', '--new-id');
    expect(many.code, many.output).to.equal(0);
    expect(many.output).to.match(/warning: 1 of 1|warning: It was delivered before/);
    const [, replay] = /Replay (\S+) is done: 1 of 1 made due/.exec(many.output)!;
    expect((await addon.waitFor('/hook', 3)).headers['webhook-id']).not.to.equal(id);
    const status = await json('replay', '--status', replay!);
    expect(status.json).to.include({ id: replay, state: 'done', newId: true });
    expect((await run('deliveries', id)).output).to.match(/replayed, attempt 1 at \S+: 204/);
    expect((await run('replay', '--per-second', 'many')).code).to.equal(2);
    expect((await json('replay')).json.error.code).to.equal('replay_unlimited');
    const refused = await json('replay', 'nope');
    expect([refused.code, refused.json.error.code]).to.deep.equal([1, 'not_found']);
  });

  it('leaves a replay running on Ctrl-C, and says how to look at it and to cancel it', async () => {
    const [, url] = /listening on (\S+)/.exec(server.output())!;
    const operator = operatorOf(url!, readFileSync(join(data, 'operator-token'), 'utf8'));
    // A second each: it is not done when it is interrupted, however slow this machine is.
    for (let i = 0; i < 60; i++) await operator('POST', '/events', PUSH);
    await until(async () => {
      const { json: page } = await operator('GET', '/deliveries?state=delivered&limit=100');
      return page.items.length > 60;
    }, 'the deliveries to be recorded');
    const slow = startProcess([MORTISE, 'replay', '--state', 'delivered', '--per-second', '1'], {
      MORTISE_DATA: data,
    });
    await slow.waitFor(/warning: /);
    await slow.kill('SIGINT');
    const [, id] = /cancel it: +mortise replay --cancel (\S+)/.exec(slow.output())!;
    expect(slow.output()).to.match(/Replay \S+ is running: \d+ of \d+ made due/);
    expect(slow.output()).to.match(/look at it: mortise replay --status/);
    expect((await json('replay', '--status', id!)).json.state).to.equal('running');
    const cancelled = await run('replay', '--cancel', id!);
    expect(cancelled.output).to.match(/is cancelled: \d+ of \d+ made due/);
  });

  it('tries an installation’s webhooks, and recovers it', async () => {
    const { json: page } = await json('installations');
    const { id } = page.items[0];
    const tested = await run('installations', id, '--test', 'repo:push');
    expect(tested.output).to.match(/^repo:push: POST \S+\/hook answered 204 after \d+ ms$/m);
    expect((await json('installations', id, '--test')).json.items[0].status).to.equal(204);
    const missing = await run('installations', id, '--test', 'issue:created');
    expect([missing.code, missing.output]).to.satisfy(
      ([code, text]: [number, string]) => code === 1 && /needs scope "issue"/.test(text),
    );
    const recovered = await run('installations', id, '--recover', '--since', '2026-01-01');
    expect(recovered.output).to.match(/sent to again at once/);
    expect(recovered.output).to.match(/0 are sent again: mortise replay --status \S+/);
  });

  it('registers a consumer with the address where it is told of revocations', async () => {
    const register = (uri: string) =>
      json('consumers', 'register', 'Told', '--owner', 'acme', '--events-uri', uri);
    const { json: told } = await register('https://client.example/events');
    expect(told.eventsUri).to.equal('https://client.example/events');
    const refused = await run('consumers', 'register', 'X', '--owner', 'acme', '--events-uri', 'x');
    expect(refused.code).to.equal(1);
    expect(refused.output).to.include('The security events URL cannot be registered');
  });

  it('explains of every installation why it was told of an event, or was not', async () => {
    const send = async (context: string, ...more: string[]) =>
      (await json('events', 'send', 'repo:push', '--context', context, ...more)).json.id;
    const early = await send('why');
    const nobody = await run('events', 'explain', early);
    expect(nobody.code, nobody.output).to.equal(0);
    expect(nobody.output).to.match(/^repo:push in why, published at \S+Z$/m);
    expect(nobody.output).to.match(/^Nobody is installed in why\. .*--context why$/m);

    await run('install', addon.descriptorUrl, '--context', 'why', '--scopes', 'issue');
    const later = await run('events', 'explain', early);
    expect(later.output).to.match(/^0 delivered · 0 owed · 0 failed · 0 dropped · 1 not sent$/m);
    expect(later.output).to.match(/^fake-addon {2}not sent {2}\S+$/m);
    expect(later.output).to.match(/^ {2}It was installed only at \S+, after the event\.$/m);
    expect(later.output).to.match(
      /^ {2}Today it would not be sent: .* scope "repository", which was never granted\. An operator can approve it: http/m,
    );

    const event = await send('why', '--resource', 'acme/site');
    const refused = await run('events', 'explain', event);
    expect(refused.output).to.match(
      /^ {2}"repo:push" needs scope "repository", which was never granted\. An operator/m,
    );
    expect(refused.output).not.to.match(/Today/);
    const state = await run('events', 'explain', event, '--state', 'delivered');
    expect(state.output).to.match(/^Of no installation in why it is delivered\.$/m);
    const machine = await json('events', 'explain', event, '--state', 'notSent');
    expect(machine.json.items[0]).to.include({ reason: 'scope_not_granted', state: 'notSent' });
    const unknown = await run('events', 'explain', 'nothing');
    expect(unknown.code).to.equal(1);
    expect(unknown.output).to.match(/There is no event "nothing"/);
  });

  it('says the same to programs with --json', async () => {
    const validated = await json('validate', addon.descriptorUrl);
    expect(validated.json).to.deep.include({ valid: true, errors: [] });
    const installed = await json('install', addon.descriptorUrl, '--context', 'programs');
    expect(installed.json).to.include({
      addonKey: 'fake-addon',
      state: 'enabled',
      context: 'programs',
    });
    const sent = await json('events', 'send', 'issue:created', '--context', 'programs');
    expect(sent.json.id).to.be.a('string');
    const { items } = (await json('deliveries', '--event', sent.json.id)).json;
    expect(items).to.be.an('array');
    const types = (await json('events', 'types')).json.items;
    expect(types.map((t: { type: string }) => t.type)).to.include('repo:push');
    const rotated = await json('installations', installed.json.id, '--rotate-secret');
    expect(rotated.json).to.have.all.keys('rotatedAt', 'previousValidUntil', 'exchange');
    const both = await run('installations', installed.json.id, '--rotate-secret', '--uninstall');
    expect(both.code).to.equal(2);
    const gone = await json('installations', installed.json.id, '--uninstall');
    expect(gone.json.state).to.equal('uninstalled');
  });

  it('shows faults of a descriptor with their places, and fails', async () => {
    const { code, output } = await run('validate', 'descriptors/invalid/unknown-scope.json');
    expect(code).to.equal(1);
    expect(output).to.match(/\d+:\d+ +error +scope_unknown +\/scopes\/\d/);
    expect(output).to.match(/Did you mean/);
    const machine = await json('validate', 'descriptors/invalid/unknown-scope.json');
    expect(machine.code).to.equal(1);
    expect(machine.json.errors[0]).to.include.keys('code', 'line', 'column', 'pointer', 'message');
  });

  it('fails with what the host says: the refusal, its faults, what to do', async () => {
    const broken = await fakeAddon({ scopes: ['repositry'] });
    const { code, output } = await run('install', broken.descriptorUrl, '--context', 'acme');
    expect(code).to.equal(1);
    expect(output).to.match(/^mortise: The descriptor cannot be used: "repositry" is not a scope/m);
    expect(output).to.match(/\/scopes\/0/);
    const machine = await json('install', broken.descriptorUrl, '--context', 'acme');
    expect(machine.json.error).to.include({ code: 'scope_unknown' });
    await broken.stop();
  });

  const failures: [
    title: string,
    args: string[],
    env: Record<string, string>,
    code: number,
    says: RegExp,
  ][] = [
    ['an unknown command', ['instal'], {}, 2, /unknown command 'instal'/],
    ['no descriptor', ['validate'], {}, 2, /missing required argument/],
    [
      'a file that is not there',
      ['validate', 'nothing.json'],
      {},
      1,
      /There is no file "nothing\.json"/,
    ],
    [
      'nobody at the address',
      ['deliveries', '--url', 'http://127.0.0.1:9', '--token', 'x'],
      {},
      1,
      /No host answers at http:\/\/127\.0\.0\.1:9/,
    ],
    ['a wrong token', ['deliveries', '--token', 'wrong'], {}, 1, /This is not the operator token/],
    [
      'serve without a platform',
      ['serve', '--dev', '--port', '0'],
      {},
      1,
      /option "platform" is missing/,
    ],
    [
      'serve with a platform that is not there',
      ['serve', '--dev', '--port', '0', '--platform', 'x.json'],
      {},
      1,
      /There is no file "x\.json"/,
    ],
    [
      'serve without a token in production',
      ['serve', '--platform', 'platforms/bitbucket.json', '--port', '0'],
      {},
      1,
      /MORTISE_OPERATOR_TOKEN is not set/,
    ],
    [
      'serve without a database in production',
      ['serve', '--platform', 'platforms/bitbucket.json', '--port', '0'],
      { MORTISE_OPERATOR_TOKEN: 'x' },
      1,
      /MORTISE_DATABASE_URL/,
    ],
    [
      'serve without a base URL in production',
      [
        'serve',
        '--platform',
        'platforms/bitbucket.json',
        '--port',
        '0',
        '--database',
        'sqlite:/tmp/never.db',
      ],
      { MORTISE_OPERATOR_TOKEN: 'x' },
      1,
      /MORTISE_BASE_URL/,
    ],
    [
      'serve on plain http in production',
      [
        'serve',
        '--platform',
        'platforms/bitbucket.json',
        '--port',
        '0',
        '--database',
        'sqlite:/tmp/never.db',
        '--base-url',
        'http://code.example',
      ],
      { MORTISE_OPERATOR_TOKEN: 'x' },
      1,
      /is not https/,
    ],
    [
      'serve without a key in production',
      [
        'serve',
        '--platform',
        'platforms/bitbucket.json',
        '--port',
        '0',
        '--database',
        'sqlite:/tmp/never.db',
        '--base-url',
        'https://code.example',
      ],
      { MORTISE_OPERATOR_TOKEN: 'x' },
      1,
      /MORTISE_SECRET_KEY/,
    ],
    [
      'serve with a short key',
      [
        'serve',
        '--platform',
        'platforms/bitbucket.json',
        '--port',
        '0',
        '--database',
        'sqlite:/tmp/never.db',
        '--base-url',
        'https://code.example',
      ],
      { MORTISE_OPERATOR_TOKEN: 'x', MORTISE_SECRET_KEY: 'c2hvcnQ=' },
      1,
      /must be 32 bytes in base64/,
    ],
  ];
  for (const [title, args, env, code, says] of failures) {
    it(`ends with ${code} and a sentence: ${title}`, async () => {
      const result = await mortise(args, { MORTISE_DATA: data, ...env });
      expect(result.output).to.match(says);
      expect(result.code).to.equal(code);
      expect(result.output, 'no stack').not.to.match(/\n +at /);
    });
  }

  it('serve stops with a pointer when the platform definition has a mistake', async () => {
    const file = join(temporaryFolder(), 'platform.json');
    writeFileSync(
      file,
      '{\n  "key": "x", "name": "X",\n  "scopes": {"a": {"sentence": "A", "implies": ["b"]}},\n  "events": {}\n}',
    );
    const { code, output } = await run('serve', '--dev', '--port', '0', '--platform', file);
    expect(code).to.equal(1);
    expect(output).to.match(/3:\d+ \/scopes\/a\/implies\/0: "b" is not a scope/);
  });

  it('serve says where it is as JSON, if asked', async () => {
    const served = startProcess([
      MORTISE,
      'serve',
      '--dev',
      '--json',
      '--platform',
      'platforms/bitbucket.json',
      '--port',
      '0',
      '--data',
      temporaryFolder(),
    ]);
    const [line] = await served.waitFor(/^\{.*\}$/m);
    expect(JSON.parse(line).url).to.match(/^http:\/\/localhost:\d+$/);
    await served.kill('SIGTERM');
  });

  it('has something to say when there is nothing yet', async () => {
    const empty = temporaryFolder();
    const fresh = startProcess(
      [
        ...[MORTISE, 'serve', '--dev', '--platform', 'platforms/bitbucket.json'],
        ...['--port', '0', '--data', empty],
      ],
      databaseEnvironment(await newDatabase(empty)),
    );
    await fresh.waitFor(/mortise listening on/);
    expect((await mortise(['installations'], { MORTISE_DATA: empty })).output).to.match(
      /Nothing is installed/,
    );
    expect((await mortise(['deliveries'], { MORTISE_DATA: empty })).output).to.match(
      /No deliveries/,
    );
    await fresh.kill('SIGTERM');
  });
});
