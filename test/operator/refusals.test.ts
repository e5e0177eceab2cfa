import net from 'node:net';
import { expect } from 'chai';
import { isPostgresUrl } from '../../src/store/open-store.ts';
import { answer, type FakeAddon, fakeAddon, type Responder } from '../helpers/fake-addon.ts';
import { rowsInside } from '../helpers/inside-database.ts';
import {
  type Answer,
  OPERATOR_TOKEN,
  type RunningHost,
  SECRET_KEY,
  startHost,
} from '../helpers/start-host.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const NDJSON = { 'content-type': 'application/x-ndjson' };
const TEXT = { 'content-type': 'text/plain' };
const NOBODY = '01900000-0000-7000-8000-000000000000';

const DESCRIPTOR = {
  key: 'inline',
  name: 'Inline',
  baseUrl: 'https://addon.example',
  scopes: ['repository:write', 'issue'],
};

function push(more: object = {}): Record<string, unknown> {
  return { type: 'repo:push', context: 'acme', resource: 'acme/site', payload: PUSH, ...more };
}
const PUSH = { push: { changes: [] } };

const MIB = 1024 * 1024;

/** A payload whose JSON has just so many bytes. */
function payloadOf(bytes: number): object {
  const empty = { ...PUSH, padding: '' };
  return { ...empty, padding: 'x'.repeat(bytes - JSON.stringify(empty).length) };
}

/** A refusal is a problem document with a stable code, in sentences, and tells no secret. */
function expectRefusal(got: Answer, status: number, code: string, secrets: string[] = []): void {
  expect(got.json?.code, got.text).to.equal(code);
  expect(got.status).to.equal(status);
  expect(got.headers.get('content-type')).to.match(/^application\/problem\+json/);
  expect(got.headers.get('cache-control')).to.equal('no-store');
  expect(got.json).to.include({ status, type: `urn:mortise:error:${code}` });
  expect(got.json.title).to.match(/^\S.*\.$/s);
  expect(got.json.detail).to.contain(got.json.title);
  if (got.json.hint !== undefined) expect(got.json.detail).to.contain(got.json.hint);
  expect(got.text).not.to.match(/\.[tj]s:\d+|\\n\s+at |undefined|Unexpected token|SQLITE/);
  for (const secret of [OPERATOR_TOKEN, SECRET_KEY, ...secrets])
    expect(`${got.text}\n${stringsIn(got.json)}`).not.to.contain(secret);
}

/** Every string of a document as a reader sees it, without the escapes of JSON. */
function stringsIn(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  return Object.values(value).map(stringsIn).join('\n');
}

describe('the operator API refuses', () => {
  let host: RunningHost;
  before(async () => {
    host = await startHost();
  });
  after(() => host.stop());

  type Row = [
    what: string,
    method: string,
    path: string,
    body: unknown,
    status: number,
    code: string,
    says: RegExp,
    headers?: Record<string, string>,
  ];

  const rows: Row[] = [
    // Who calls
    ...(
      [
        ['no token', { authorization: '' }, 'operator_token_missing', /needs the operator token/],
        [
          'another scheme',
          { authorization: `Basic ${btoa('operator:secret')}` },
          'operator_token_missing',
          /Send "Authorization: Bearer …" with the value of MORTISE_OPERATOR_TOKEN/,
        ],
        [
          'a wrong token',
          { authorization: 'Bearer wr0ng-token' },
          'operator_token_wrong',
          /not the operator token/,
        ],
        [
          'a token that begins right',
          { authorization: `Bearer ${OPERATOR_TOKEN.slice(0, -1)}` },
          'operator_token_wrong',
          /not the operator token/,
        ],
      ] as const
    ).flatMap(([what, headers, code, says]): Row[] => [
      [what, 'GET', '/installations', undefined, 401, code, says, headers],
      [`${what}, before it reads a body`, 'POST', '/events', '{', 401, code, says, headers],
      [
        `${what}, before it says what exists`,
        'GET',
        '/nothing',
        undefined,
        401,
        code,
        says,
        headers,
      ],
    ]),
    // What is not there
    [
      'an unknown path',
      'GET',
      '/nothing',
      undefined,
      404,
      'not_found',
      /no GET \/operator\/v1\/nothing/,
    ],
    ['the top of the API', 'GET', '', undefined, 404, 'not_found', /no GET \/operator\/v1/],
    [
      'an unknown method',
      'PUT',
      '/installations/x',
      {},
      404,
      'not_found',
      /no PUT \/operator\/v1\/installations\/x/,
    ],
    ...(
      [
        ['GET', undefined],
        ['PATCH', { state: 'disabled' }],
        ['DELETE', undefined],
      ] as const
    ).map(
      ([method, body]): Row => [
        `an unknown installation, ${method}`,
        method,
        `/installations/${NOBODY}`,
        body,
        404,
        'installation_not_found',
        /no installation "01900000.*GET \/operator\/v1\/installations lists them/,
      ],
    ),
    [
      'an id that cannot be decoded',
      'GET',
      '/installations/%E0%A4%A',
      undefined,
      404,
      'installation_not_found',
      /no installation/,
    ],
    [
      'an unknown delivery',
      'GET',
      `/deliveries/${NOBODY}`,
      undefined,
      404,
      'not_found',
      /no delivery/,
    ],
    ['an unknown event', 'GET', `/events/${NOBODY}`, undefined, 404, 'not_found', /no event "/],
    [
      'an unknown event type',
      'GET',
      '/event-types/repo:psh',
      undefined,
      404,
      'not_found',
      /no event type "repo:psh"/,
    ],
    // Queries
    [
      'an unknown state',
      'GET',
      '/installations?state=on',
      undefined,
      422,
      'field_invalid',
      /"state" must be one of pending, enabled, disabled, uninstalled/,
    ],
    [
      'two states',
      'GET',
      '/installations?state=enabled&state=disabled',
      undefined,
      422,
      'field_invalid',
      /"state" must be one of/,
    ],
    [
      'a page of 0',
      'GET',
      '/installations?limit=0',
      undefined,
      422,
      'field_invalid',
      /from 1 to 200/,
    ],
    [
      'a page of 201',
      'GET',
      '/deliveries?limit=201',
      undefined,
      422,
      'field_invalid',
      /from 1 to 200/,
    ],
    [
      'a time that is none',
      'GET',
      '/deliveries?since=yesterday',
      undefined,
      422,
      'field_invalid',
      /"since" must be a time, such as/,
    ],
    // Bodies
    ...(['/installations', '/events', '/descriptors/validate'] as const).flatMap((path): Row[] => [
      [
        `what is not JSON, to ${path}`,
        'POST',
        path,
        '{\n  "context" "acme"\n}',
        400,
        'json_syntax',
        /line 2, column 13\): A colon is missing before this/,
      ],
      [`a comment, to ${path}`, 'POST', path, '{ // a\n}', 400, 'json_comment', /line 1, column 3/],
      [`no JSON at all, to ${path}`, 'POST', path, '', 400, 'json_empty', /is empty/, JSON_TYPE],
      [`a list, to ${path}`, 'POST', path, [], 400, 'body_not_object', /must be a JSON object/],
      [
        `text, to ${path}`,
        'POST',
        path,
        '{}',
        415,
        'body_not_json',
        /must be JSON; it is text\/plain\. Send "Content-Type: application\/json"/,
        TEXT,
      ],
    ]),
    [
      'a misspelt field of an installation',
      'POST',
      '/installations',
      { descriptorURL: 'https://addon.example/descriptor.json', context: 'acme' },
      422,
      'field_unknown',
      /"descriptorURL" is not a field of this call\. .*descriptorUrl/,
    ],
    [
      'a misspelt field of an event',
      'POST',
      '/events',
      push({ key: 'k' }),
      422,
      'field_unknown',
      /"key"/,
    ],
    // Installing
    [
      'no descriptor',
      'POST',
      '/installations',
      { context: 'acme' },
      422,
      'descriptor_missing',
      /Neither "descriptorUrl" nor "descriptor"/,
    ],
    [
      'two descriptors',
      'POST',
      '/installations',
      { descriptor: DESCRIPTOR, descriptorUrl: 'https://addon.example/', context: 'acme' },
      422,
      'descriptor_ambiguous',
      /Both .* Send one/,
    ],
    [
      'no descriptor to validate',
      'POST',
      '/descriptors/validate',
      {},
      422,
      'descriptor_missing',
      /Neither "descriptorUrl" nor "descriptor"/,
    ],
    ...(
      [
        ['descriptorUrl', 5, /"descriptorUrl" must be a string/],
        ['context', 5, /"context" must be a string/],
        ['scopes', 'repository', /"scopes" must be a list of strings/],
        ['scopes', [1], /"scopes" must be a list of strings/],
        ['resources', {}, /"resources" must be a list of strings/],
        ['acceptNewOrigin', 'yes', /"acceptNewOrigin" must be true or false/],
      ] as const
    ).map(
      ([field, value, says]): Row => [
        `${field} that is ${JSON.stringify(value)}`,
        'POST',
        '/installations',
        {
          ...(field !== 'descriptorUrl' && { descriptor: DESCRIPTOR }),
          context: 'acme',
          [field]: value,
        },
        422,
        'field_invalid',
        says,
      ],
    ),
    ...([undefined, '', null] as const).map(
      (context): Row => [
        `an installation whose context is ${JSON.stringify(context)}`,
        'POST',
        '/installations',
        { descriptor: DESCRIPTOR, context },
        422,
        'context_required',
        /"context" is missing.*Name it, as the product does/,
      ],
    ),
    [
      'a descriptor that is no object',
      'POST',
      '/installations',
      { descriptor: 'https://addon.example/', context: 'acme' },
      422,
      'descriptor_not_object',
      /one JSON object/,
    ],
    [
      'a descriptor with one fault, by the code of that',
      'POST',
      '/installations',
      { descriptor: { ...DESCRIPTOR, scopes: ['repository:wrte'] }, context: 'acme' },
      422,
      'scope_unknown',
      /Did you mean "repository:write"\?/,
    ],
    [
      'a descriptor with two faults, together',
      'POST',
      '/installations',
      { descriptor: { ...DESCRIPTOR, scopes: ['repository:wrte'], key: null }, context: 'acme' },
      422,
      'descriptor_invalid',
      /has 2 faults\. Correct them all/,
    ],
    [
      'a scope that the descriptor does not ask for',
      'POST',
      '/installations',
      { descriptor: DESCRIPTOR, context: 'acme', scopes: ['issue:write'] },
      422,
      'scope_not_requested',
      /does not ask for "issue:write".*It asks for: repository:write, issue/,
    ],
    [
      'a scope that does not exist',
      'POST',
      '/installations',
      { descriptor: DESCRIPTOR, context: 'acme', scopes: ['isue'] },
      422,
      'scope_unknown',
      /"isue" is not a scope.*Did you mean "issue"\?/,
    ],
    // Publishing
    [
      'an event of no type',
      'POST',
      '/events',
      push({ type: undefined }),
      422,
      'event_invalid',
      /"type" of an event must be a string/,
    ],
    [
      'an event of an unknown type',
      'POST',
      '/events',
      push({ type: 'repo:psh' }),
      422,
      'event_type_unknown',
      /"repo:psh" is not an event type.*Did you mean "repo:push"\?/,
    ],
    [
      'an event whose name belongs to every object',
      'POST',
      '/events',
      push({ type: 'constructor' }),
      422,
      'event_type_unknown',
      /"constructor" is not an event type/,
    ],
    [
      'an event without a context',
      'POST',
      '/events',
      push({ context: undefined }),
      422,
      'context_required',
      /"context" is missing/,
    ],
    ...(
      [
        ['context', ''],
        ['context', 5],
        ['context', 'x'.repeat(513)],
        ['resource', ''],
        ['resource', ['acme/site']],
        ['actor', {}],
        ['idempotencyKey', 5],
        ['idempotencyKey', 'x'.repeat(513)],
        ['payload', undefined],
        ['payload', null],
        ['payload', []],
        ['payload', '{}'],
      ] as const
    ).map(
      ([field, value]): Row => [
        `an event whose ${field} is ${JSON.stringify(value)?.slice(0, 20)}`,
        'POST',
        '/events',
        push({ [field]: value }),
        422,
        'event_invalid',
        new RegExp(`"${field}" of an event must be`),
      ],
    ),
    [
      'a payload that does not fit',
      'POST',
      '/events',
      push({ payload: { push: { changes: 'none' } } }),
      422,
      'payload_invalid',
      /does not fit "repo:push".*changes.*GET \/operator\/v1\/event-types\/repo:push/,
    ],
    [
      'more than 1000 events at once',
      'POST',
      '/events',
      `${JSON.stringify(push())}\n`.repeat(1_001),
      413,
      'batch_too_large',
      /has 1001 events; at most 1000/,
      NDJSON,
    ],
  ];

  for (const [what, method, path, body, status, code, says, headers] of rows) {
    it(`${what}: ${status} ${code}`, async () => {
      const got = await host.operator(method, path, body, headers);
      expectRefusal(got, status, code);
      expect(got.json.detail).to.match(says);
      if (status === 401)
        expect(got.headers.get('www-authenticate')).to.equal('Bearer realm="operator"');
    });
  }

  it('and never repeats a token that was sent', async () => {
    const got = await host.operator('GET', '/installations', undefined, {
      authorization: 'Bearer wr0ng-token',
    });
    expect(got.text).not.to.contain('wr0ng-token');
  });

  it('a call without any body as one, not as of a wrong type', async () => {
    const got = await raw(
      host,
      'POST /operator/v1/events HTTP/1.1\r\nContent-Type: application/json\r\n',
    );
    expect(got).to.match(/^HTTP\/1\.1 4\d\d /);
    expect(got).not.to.contain('must be JSON; it is application/json');
  });

  it('a payload at its place: errors[].pointer', async () => {
    const wrong = push({ payload: { push: { changes: [5] }, repository: 'acme/site' } });
    const got = await host.operator('POST', '/events', wrong);
    expectRefusal(got, 422, 'payload_invalid');
    expect(got.json.errors.map(({ pointer }: { pointer: string }) => pointer)).to.have.members([
      '/payload/push/changes/0',
      '/payload/repository',
    ]);
    for (const fault of got.json.errors) expect(fault).to.include.keys('code', 'message');
  });

  it('a descriptor at its place in the body: errors[].pointer, line and column', async () => {
    const body = `{
  "context": "acme",
  "descriptor": {
    "key": "inline",
    "baseUrl": "https://addon.example",
    "scopes": ["repository:wrte"]
  }
}`;
    const got = await host.operator('POST', '/installations', body);
    expectRefusal(got, 422, 'scope_unknown');
    expect(got.json.errors).to.have.lengthOf(1);
    expect(got.json.errors[0]).to.include({
      code: 'scope_unknown',
      pointer: '/scopes/0',
      line: 6,
      column: 16,
    });
  });
});

describe('what is refused is not written', () => {
  let host: RunningHost;
  let addon: FakeAddon;
  let installationId: string;
  let context: string;
  let count = 0;

  before(async () => {
    host = await startHost();
  });
  after(() => host.stop());

  /** Each test has an add-on and a context of its own. */
  beforeEach(async () => {
    count++;
    context = `context-${count}`;
    addon = await fakeAddon({ key: `addon-${count}`, scopes: ['repository', 'issue'] });
    const { json } = await host.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context,
    });
    installationId = json.id;
  });
  afterEach(() => addon.stop());

  const pushHere = (more: object = {}) => push({ context, ...more });

  async function expectNothingWritten(): Promise<void> {
    const { json } = await host.operator('GET', `/deliveries?installation=${installationId}`);
    expect(json.items).to.deep.equal([]);
    expect(await eventCount(host, context)).to.equal(0);
  }

  it('a payload of more than 1 MiB: 413', async () => {
    const got = await host.operator('POST', '/events', pushHere({ payload: payloadOf(MIB + 1) }));
    expectRefusal(got, 413, 'payload_too_large');
    expect(got.json.detail).to.match(/is 1048577 bytes; at most 1048576 are published/);
    await expectNothingWritten();
  });

  it('but a payload of exactly 1 MiB is', async () => {
    const got = await host.operator('POST', '/events', pushHere({ payload: payloadOf(MIB) }));
    expect(got.status).to.equal(202);
    expect(await eventCount(host, context)).to.equal(1);
  });

  const good = () => toLine(pushHere());
  const batches: [
    what: string,
    lines: () => string[],
    status: number,
    code: string,
    line: number,
  ][] = [
    ['a line that is not JSON', () => [good(), good(), '{"type": }'], 400, 'json_syntax', 3],
    [
      'a line that is cut off',
      () => [good(), good().slice(0, -10), good()],
      400,
      'json_truncated',
      2,
    ],
    ['a line that is no object', () => [good(), '5'], 422, 'event_invalid', 2],
    [
      'a line with a misspelt field',
      () => [good(), '', toLine(pushHere({ key: 'k' }))],
      422,
      'field_unknown',
      3,
    ],
    [
      'a line of an unknown type',
      () => [good(), good(), toLine(pushHere({ type: 'repo:psh' }))],
      422,
      'event_type_unknown',
      3,
    ],
    [
      'a line whose payload does not fit',
      () => [good(), toLine(pushHere({ payload: {} })), good()],
      422,
      'payload_invalid',
      2,
    ],
  ];
  for (const [what, lines, status, code, line] of batches) {
    it(`a batch with ${what}: ${status} ${code}`, async () => {
      const got = await host.operator('POST', '/events', lines().join('\n'), NDJSON);
      expectRefusal(got, status, code);
      await expectNothingWritten();
    });

    it(`a batch with ${what}, and that line is named`, async () => {
      const got = await host.operator('POST', '/events', lines().join('\n'), NDJSON);
      expect(got.json.detail).to.match(new RegExp(`[Ll]ine ${line}\\b`));
    });
  }

  it('a batch in which one key is used for two bodies: 409', async () => {
    const lines = [{}, { actor: 'bob' }].map((more) => pushHere({ idempotencyKey: 'k', ...more }));
    const got = await host.operator('POST', '/events', lines.map(toLine).join('\n'), NDJSON);
    expectRefusal(got, 409, 'idempotency_conflict');
    await expectNothingWritten();
  });

  it('an event whose idempotency key was used for another: 409, and the first stays', async () => {
    const first = await host.operator('POST', '/events', pushHere({ idempotencyKey: 'k' }));
    expect(first.status).to.equal(202);
    const again = await host.operator('POST', '/events', pushHere({ idempotencyKey: 'k' }));
    expect([again.status, again.json.id]).to.deep.equal([202, first.json.id]);
    for (const other of [
      { payload: { push: {} } },
      { actor: 'bob' },
      { resource: 'acme/other' },
      { type: 'repo:updated' },
    ]) {
      const got = await host.operator(
        'POST',
        '/events',
        pushHere({ idempotencyKey: 'k', ...other }),
      );
      if (got.json.code !== 'payload_invalid') {
        expectRefusal(got, 409, 'idempotency_conflict');
        expect(got.json.detail).to.contain(first.json.id);
      }
    }
    expect(await eventCount(host, context)).to.equal(1);
    const elsewhere = push({ idempotencyKey: 'k', context: `${context}-other`, actor: 'bob' });
    expect((await host.operator('POST', '/events', elsewhere)).status).to.equal(202);
  });

  describe('an add-on with the same key', () => {
    let other: FakeAddon;
    beforeEach(async () => {
      other = await fakeAddon({ key: `addon-${count}` });
    });
    afterEach(() => other.stop());

    for (const where of ['the same context', 'another context']) {
      it(`on another origin, in ${where}: 409, and it is not even called`, async () => {
        const request = {
          descriptorUrl: other.descriptorUrl,
          context: where === 'the same context' ? context : `${context}-other`,
        };
        const got = await host.operator('POST', '/installations', request);
        expectRefusal(got, 409, 'addon_key_taken');
        expect(got.json.detail).to.contain(addon.url).and.to.contain('"acceptNewOrigin": true');
        expect(got.json.installationId).to.equal(installationId);
        expect(other.calls).to.deep.equal([]);
        const accepted = await host.operator('POST', '/installations', {
          ...request,
          acceptNewOrigin: true,
        });
        expect(accepted.status).to.equal(201);
        expect(accepted.json.baseUrl).to.equal(other.url);
      });
    }

    it('that was accepted is not sent the secrets of the one before', async () => {
      await host.operator('POST', '/installations', {
        descriptorUrl: other.descriptorUrl,
        context,
        acceptNewOrigin: true,
      });
      const [before] = addon.to('/installed');
      const [after] = other.to('/installed');
      expect(after!.json.clientKey).to.equal(before!.json.clientKey);
      for (const name of ['sharedSecret', 'webhookSecret', 'oauthClientSecret'])
        expect(after!.json[name]).not.to.equal(before!.json[name]);
    });

    it('on the same origin, from another descriptor address: 409', async () => {
      const got = await host.operator('POST', '/installations', {
        descriptorUrl: `${addon.url}/another.json`,
        context,
      });
      expectRefusal(got, 409, 'addon_key_taken');
      expect(got.json.detail).to.contain(`was installed from ${addon.descriptorUrl}`);
    });

    it('once the first is uninstalled: nothing stands in its way', async () => {
      await host.operator('DELETE', `/installations/${installationId}`);
      const got = await host.operator('POST', '/installations', {
        descriptorUrl: other.descriptorUrl,
        context,
      });
      expect(got.status).to.equal(201);
    });
  });

  const changes: [what: string, change: object, code: string, says: RegExp][] = [
    ['an unknown state', { state: 'on' }, 'field_invalid', /one of enabled, disabled/],
    ['a state that is not set by hand', { state: 'uninstalled' }, 'field_invalid', /one of/],
    ['scopes as a string', { scopes: 'repository' }, 'field_invalid', /a list of strings/],
    ['scopes that are null', { scopes: null }, 'field_invalid', /a list of strings/],
    ['a scope that does not exist', { scopes: ['isue'] }, 'scope_unknown', /Did you mean "issue"/],
    [
      'a scope that was not asked for',
      { scopes: ['repository', 'wiki'] },
      'scope_not_requested',
      /does not ask for "wiki"/,
    ],
    ['an unknown field', { context: 'other' }, 'field_unknown', /Known: state, scopes, resources/],
  ];
  for (const [what, change, code, says] of changes) {
    it(`a change to ${what}: 422 ${code}`, async () => {
      const path = `/installations/${installationId}`;
      const { json: before } = await host.operator('GET', path);
      const got = await host.operator('PATCH', path, { state: 'disabled', ...change });
      expectRefusal(got, 422, code);
      expect(got.json.detail).to.match(says);
      expect((await host.operator('GET', path)).json).to.deep.equal(before);
    });
  }

  for (const change of [{ state: 'enabled' }, { scopes: ['repository'] }, { resources: null }]) {
    it(`a change of an uninstalled one: 409 for ${JSON.stringify(change)}`, async () => {
      const path = `/installations/${installationId}`;
      await host.operator('DELETE', path);
      const got = await host.operator('PATCH', path, change);
      expectRefusal(got, 409, 'installation_not_installed');
      expect(got.json.detail).to.match(/is uninstalled, so it cannot be changed/);
      expect((await host.operator('GET', path)).json.state).to.equal('uninstalled');
    });
  }
});

describe('a body that is too large', () => {
  let host: RunningHost;
  beforeEach(async () => {
    host = await startHost();
  });
  afterEach(() => host.stop());

  it('is refused with 413, and nothing is written', async () => {
    const got = await host.operator('POST', '/events', push({ payload: payloadOf(2 * MIB) }));
    expectRefusal(got, 413, 'payload_too_large');
    expect(await eventCount(host, 'acme')).to.equal(0);
  });

  it('does not hurt the next call of the same client', async () => {
    for (let i = 0; i < 5; i++) {
      await host.operator('POST', '/events', push({ payload: payloadOf(2 * MIB) }));
      const next = await host.operator('POST', '/events', push());
      expect(next.status).to.equal(202);
    }
  });

  it('is refused by its announced length, before it is sent', async () => {
    const got = await raw(
      host,
      'POST /operator/v1/events HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 99000000\r\n',
    );
    expect(got).to.match(/^HTTP\/1\.1 413 /);
  });
});

describe('an install that the add-on refuses', () => {
  let host: RunningHost;
  let addon: FakeAddon;
  let during: { tokenStatus: number; accessToken: string } | undefined;

  let context: string;
  let count = 0;

  before(async () => {
    host = await startHost();
  });
  after(() => host.stop());

  /** Each test has an add-on and a context of its own. */
  beforeEach(async () => {
    during = undefined;
    count++;
    context = `context-${count}`;
    addon = await fakeAddon({ key: `addon-${count}` });
  });
  afterEach(() => addon.stop());

  const install = () =>
    host.operator('POST', '/installations', { descriptorUrl: addon.descriptorUrl, context });

  async function installationsHere(): Promise<unknown[]> {
    const { json } = await host.operator('GET', '/installations?limit=200');
    return json.items.filter((item: { context: string }) => item.context === context);
  }

  function token(clientId: string, clientSecret: string): Promise<Answer> {
    return host.request('POST', '/oauth2/token', {
      headers: {
        authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'grant_type=client_credentials',
    });
  }

  /** Uses the credentials during the call, as an add-on may, and then refuses. */
  const useThen =
    (refuse: Responder): Responder =>
    async (call, response) => {
      const { status, json } = await token(call.json.oauthClientId, call.json.oauthClientSecret);
      during = { tokenStatus: status, accessToken: json.access_token };
      refuse(call, response);
    };

  function secretsSent(): string[] {
    return addon
      .to('/installed')
      .flatMap(({ json }) => [json.sharedSecret, json.webhookSecret, json.oauthClientSecret]);
  }

  const closed: Responder = (_call, response) => response.socket!.destroy();
  const redirect: Responder = (_call, response) =>
    response.writeHead(302, { location: '/login' }).end('Please sign in');

  const refusals: [
    what: string,
    refuse: Responder,
    exchange: { status: number | null; error: string | null; excerpt: string | null },
    says: RegExp,
  ][] = [
    [
      'with 500',
      answer(500, 'no room left'),
      { status: 500, error: null, excerpt: 'no room left' },
      /The add-on answered 500 to POST \S+\/installed after \d+ ms, so nothing was installed\./,
    ],
    [
      'with 401',
      answer(401, 'who are you?'),
      { status: 401, error: null, excerpt: 'who are you?' },
      /The add-on answered 401 to POST/,
    ],
    [
      'with 404',
      answer(404),
      { status: 404, error: null, excerpt: '' },
      /The add-on answered 404 to POST/,
    ],
    [
      'with a redirect, which is not followed',
      redirect,
      { status: 302, error: null, excerpt: 'Please sign in' },
      /The add-on answered 302 to POST/,
    ],
    [
      'by closing the connection',
      closed,
      { status: null, error: 'connection_closed', excerpt: null },
      /The add-on did not answer .*closed before the answer was complete/,
    ],
  ];

  for (const [what, refuse, expected, says] of refusals) {
    describe(what, () => {
      it('is 502 with the exchange', async () => {
        addon.respond = refuse;
        const got = await install();
        expectRefusal(got, 502, 'install_refused', secretsSent());
        expect(got.json.detail).to.match(says);
        const { exchange } = got.json;
        expect(exchange).to.include({
          method: 'POST',
          url: `${addon.url}/installed`,
          ...expected,
        });
        expect(exchange.durationMs).to.be.a('number').within(0, 10_000);
        expect(addon.calls).to.have.lengthOf(1);
      });

      it('leaves nothing half installed: no installation, no client, no token', async () => {
        addon.respond = useThen(refuse);
        expect((await install()).json.code).to.equal('install_refused');
        expect(await installationsHere()).to.deep.equal([]);
        expect(during!.tokenStatus).to.equal(200);
        const { oauthClientId, oauthClientSecret } = addon.calls[0]!.json;
        expect((await token(oauthClientId, oauthClientSecret)).status).to.equal(401);
        const { status } = await host.request('GET', '/addon/v1/installation', {
          headers: { authorization: `Bearer ${during!.accessToken}` },
        });
        expect(status).to.equal(401);
        const event = await host.operator('POST', '/events', push({ context }));
        const { json } = await host.operator('GET', `/deliveries?event=${event.json.id}`);
        expect(json.items).to.deep.equal([]);
      });

      it('succeeds when it is tried again, with the same shared secret and a new client secret', async () => {
        addon.respond = refuse;
        await install();
        addon.respond = answer(204);
        const got = await install();
        expect([got.status, got.json.state]).to.deep.equal([201, 'enabled']);
        const [first, second] = addon.to('/installed');
        expect(second!.json.sharedSecret).to.equal(first!.json.sharedSecret);
        expect(second!.json.clientKey).to.equal(first!.json.clientKey);
        expect(second!.json.oauthClientSecret).not.to.equal(first!.json.oauthClientSecret);
        const { oauthClientId, oauthClientSecret } = second!.json;
        expect((await token(oauthClientId, oauthClientSecret)).status).to.equal(200);
        expect((await token(oauthClientId, first!.json.oauthClientSecret)).status).to.equal(401);
      });
    });
  }

  it('again leaves the installation that stands as it was', async () => {
    const first = await install();
    const { oauthClientId, oauthClientSecret } = addon.calls[0]!.json;
    addon.descriptor = { ...addon.descriptor, name: 'Renamed', scopes: ['repository:write'] };
    addon.respond = answer(500);
    expectRefusal(await install(), 502, 'install_refused', secretsSent());
    const { json } = await host.operator('GET', `/installations/${first.json.id}`);
    expect(json).to.include({ state: 'enabled', name: 'Fake add-on', descriptorVersion: 1 });
    expect(json.scopes).to.deep.equal(['repository']);
    expect((await token(oauthClientId, oauthClientSecret)).status).to.equal(200);
  });

  const echoes: [what: string, encode: (text: string) => string][] = [
    ['as they were sent', (text) => text],
    ['with "/" escaped, as PHP does', (text) => text.replaceAll('/', '\\/')],
    ['inside a string of JSON', (text) => JSON.stringify({ received: text })],
    ['URL-encoded', (text) => encodeURIComponent(text)],
    ['as HTML', (text) => text.replaceAll('+', '&#43;').replaceAll('/', '&#47;')],
  ];
  for (const [what, encode] of echoes) {
    it(`with the secrets in its answer ${what}: they are blacked out`, async () => {
      const sent: string[] = [];
      addon.respond = ({ json }, response) => {
        const secrets = [json.sharedSecret, json.webhookSecret, json.oauthClientSecret];
        sent.push(...secrets, ...secrets.map(encode));
        response.writeHead(500).end(encode(`cannot store ${secrets.join(' and ')}`));
      };
      // A webhook secret has "/" or "+" in it most of the time: several installs, so that one does.
      for (const place of ['one', 'two', 'three']) {
        const request = { descriptorUrl: addon.descriptorUrl, context: `${context}-${place}` };
        const got = await host.operator('POST', '/installations', request);
        expectRefusal(got, 502, 'install_refused', sent);
        expect(got.json.exchange.excerpt).to.contain('…');
      }
    });
  }

  it('with the tokens of the call in its answer: they are blacked out', async () => {
    addon.respond = ({ headers }, response) =>
      response
        .writeHead(500)
        .end(`bad ${headers.authorization} or ${headers['mortise-install-signature']}`);
    const got = await install();
    const { headers } = addon.calls[0]!;
    expectRefusal(got, 502, 'install_refused', [
      headers.authorization!.split(' ')[1]!,
      headers['mortise-install-signature'] as string,
    ]);
  });

  it('keeps the exchange without its secrets for later as well', async () => {
    addon.respond = ({ body }, response) => response.writeHead(500).end(body);
    await install();
    addon.respond = answer(204);
    const { json } = await install();
    const { text } = await host.operator('GET', `/installations/${json.id}`);
    expect(text).to.contain('"status":500');
    for (const secret of secretsSent()) expect(text).not.to.contain(secret);
  });
});

function toLine(value: unknown): string {
  return JSON.stringify(value);
}

async function eventCount({ database }: RunningHost, context: string): Promise<number> {
  // SQLite has a table a day, PostgreSQL one of all days.
  const tables = isPostgresUrl(database)
    ? [{ name: 'events' }]
    : await rowsInside<{ name: string }>(
        database,
        `SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'events_[0-9]*'`,
      );
  let sum = 0;
  for (const { name } of tables) {
    const [row] = await rowsInside<{ n: number }>(
      database,
      `SELECT count(*) AS n FROM ${name} WHERE context = '${context}'`,
    );
    sum += row!.n;
  }
  return sum;
}

/** What fetch cannot send: a request with just these headers and no body. */
function raw(host: RunningHost, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(new URL(host.url).port), '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('error', reject);
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    socket.setTimeout(1_000, () => socket.destroy());
    socket.write(
      `${head}Host: host\r\nAuthorization: Bearer ${OPERATOR_TOKEN}\r\nConnection: close\r\n\r\n`,
    );
  });
}
