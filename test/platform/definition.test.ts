import { expect } from 'chai';
import type { MortiseError } from '../../src/core/errors.ts';
import { compilePlatform } from '../../src/platform/compile.ts';
import { redact } from '../../src/platform/redact.ts';

// biome-ignore lint/suspicious/noExplicitAny: definitions that are wrong on purpose
type Any = any;

/** A definition in which everything is right. */
function definition(): Any {
  return {
    key: 'tracker',
    name: 'Tracker',
    resources: { project: { title: 'project' } },
    contexts: { site: { aliases: ['account'] } },
    scopes: {
      read: { sentence: 'Read issues' },
      write: { sentence: 'Change issues', implies: ['read'] },
      email: { sentence: 'See e-mail addresses' },
    },
    events: {
      'issue:new': {
        title: 'Issue created',
        scope: 'read',
        resource: 'project',
        payload: {
          type: 'object',
          required: ['title'],
          properties: {
            title: { type: 'string' },
            reporter: { $ref: '#/definitions/person', 'x-scope': 'email' },
            watchers: { type: 'array', items: { $ref: '#/definitions/person' } },
          },
        },
        example: { title: 'It breaks', watchers: [{ name: 'Ann', address: 'ann@example.test' }] },
      },
    },
    modules: { panels: { aliases: ['panel'], item: { type: 'object' } } },
    webhooks: { body: 'standard', signatures: ['standard', 'connect'] },
    api: [{ method: 'GET', path: '/issues', scope: 'read' }],
    definitions: {
      person: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          address: { type: 'string', 'x-scope': 'email' },
        },
      },
      secret: { type: 'object', 'x-scope': 'email' },
    },
  };
}

const EVENT = '/events/issue:new';
const payloadOf = (d: Any): Any => d.events['issue:new'].payload;

interface Row {
  /** What is wrong; the sentence goes on "is refused …". */
  what: string;
  change?: (d: Any) => void;
  /** The whole text, where it is no JSON. */
  text?: string;
  code: string;
  pointer: string;
  /** What stands on the line that is named, and on no other. */
  line: string;
  message: RegExp;
  hint?: RegExp;
}

const rows: Row[] = [
  {
    what: 'a scope that implies an unknown one',
    change: (d) => {
      d.scopes.write.implies = ['read', 'wirte'];
    },
    code: 'platform_scope_unknown',
    pointer: '/scopes/write/implies/1',
    line: '"wirte"',
    message: /"wirte" is not a scope/,
    hint: /Did you mean "write"\?/,
  },
  {
    what: 'an event that needs an unknown scope',
    change: (d) => {
      d.events['issue:new'].scope = 'wirte';
    },
    code: 'platform_scope_unknown',
    pointer: `${EVENT}/scope`,
    line: '"wirte"',
    message: /"wirte" is not a scope/,
    hint: /Did you mean "write"\?/,
  },
  {
    what: 'a route of the API that needs an unknown scope',
    change: (d) => {
      d.api[0].scope = 'nobody';
    },
    code: 'platform_scope_unknown',
    pointer: '/api/0/scope',
    line: '"nobody"',
    message: /"nobody" is not a scope/,
  },
  {
    what: 'an event about an unknown kind of resource',
    change: (d) => {
      d.events['issue:new'].resource = 'projekt';
    },
    code: 'platform_resource_unknown',
    pointer: `${EVENT}/resource`,
    line: '"projekt"',
    message: /"projekt" is not one of "resources"/,
    hint: /Did you mean "project"\?/,
  },
  {
    what: 'two module types with one name',
    change: (d) => {
      d.modules.pages = { aliases: ['panel'] };
    },
    code: 'platform_alias_taken',
    pointer: '/modules/pages',
    line: '"pages": {',
    message: /"panel" already names the module type "panels"/,
  },
  {
    what: 'x-scope with an unknown scope',
    change: (d) => {
      payloadOf(d).properties.reporter['x-scope'] = 'nobody';
    },
    code: 'platform_scope_unknown',
    pointer: `${EVENT}/payload/properties/reporter/x-scope`,
    line: '"nobody"',
    message: /"nobody" is not a scope/,
  },
  {
    what: 'x-scope with an unknown scope behind a $ref',
    change: (d) => {
      d.definitions.person.properties.address['x-scope'] = 'nobody';
    },
    code: 'platform_scope_unknown',
    pointer: '/definitions/person/properties/address/x-scope',
    line: '"nobody"',
    message: /"nobody" is not a scope/,
  },
  {
    what: 'x-scope that is no string',
    change: (d) => {
      payloadOf(d).properties.reporter['x-scope'] = ['email', 'read-all'];
    },
    code: 'platform_scope_unknown',
    pointer: `${EVENT}/payload/properties/reporter/x-scope`,
    line: '"x-scope": [',
    message: /\["email","read-all"\] is not a scope/,
  },
  {
    what: 'x-scope on a required property',
    change: (d) => {
      payloadOf(d).properties.title['x-scope'] = 'email';
    },
    code: 'platform_x_scope_required',
    pointer: `${EVENT}/payload/properties/title`,
    line: '"title": {',
    message: /"title" needs a scope and is required/,
  },
  {
    what: 'x-scope on a required property through its $ref',
    change: (d) => {
      payloadOf(d).properties.owner = { $ref: '#/definitions/secret' };
      payloadOf(d).required.push('owner');
    },
    code: 'platform_x_scope_required',
    pointer: `${EVENT}/payload/properties/owner`,
    line: '"owner": {',
    message: /"owner" needs a scope and is required/,
  },
  {
    what: 'x-scope on a property required inside what a $ref names',
    change: (d) => {
      d.definitions.person.required = ['address'];
    },
    code: 'platform_x_scope_required',
    pointer: '/definitions/person/properties/address',
    line: '"address": {',
    message: /"address" needs a scope and is required/,
  },
  {
    what: 'x-scope in one branch of allOf on a property that another requires',
    change: (d) => {
      d.events['issue:new'].payload = {
        type: 'object',
        allOf: [
          { properties: { owner: { type: 'object', 'x-scope': 'email' } } },
          { required: ['owner'] },
        ],
      };
      d.events['issue:new'].example = { owner: {} };
    },
    code: 'platform_x_scope_required',
    pointer: `${EVENT}/payload`,
    line: '"payload": {',
    message: /"owner" needs a scope and is required/,
  },
  {
    what: 'x-scope in allOf of a required property',
    change: (d) => {
      payloadOf(d).properties.title.allOf = [{ 'x-scope': 'email' }];
    },
    code: 'platform_x_scope_required',
    pointer: `${EVENT}/payload/properties/title`,
    line: '"title": {',
    message: /"title" needs a scope and is required/,
  },
  {
    what: 'x-scope on a property that a branch of anyOf requires',
    change: (d) => {
      payloadOf(d).anyOf = [{ required: ['reporter'] }, {}];
    },
    code: 'platform_x_scope_required',
    pointer: `${EVENT}/payload/properties/reporter`,
    line: '"reporter": {',
    message: /"reporter" needs a scope and is required/,
  },
  {
    what: 'x-scope under anyOf',
    change: (d) => {
      payloadOf(d).properties.reporter = {
        anyOf: [{ type: 'string' }, { type: 'object', 'x-scope': 'write' }],
      };
    },
    code: 'platform_x_scope_misplaced',
    pointer: `${EVENT}/payload/properties/reporter/anyOf/1/x-scope`,
    line: '"x-scope": "write"',
    message: /"x-scope" stands where redaction does not look/,
  },
  {
    what: 'x-scope under oneOf, any number of levels down',
    change: (d) => {
      payloadOf(d).oneOf = [
        { properties: { a: { items: { properties: { b: { 'x-scope': 'write' } } } } } },
      ];
    },
    code: 'platform_x_scope_misplaced',
    pointer: `${EVENT}/payload/oneOf/0/properties/a/items/properties/b/x-scope`,
    line: '"x-scope": "write"',
    message: /"x-scope" stands where redaction does not look/,
  },
  {
    what: 'x-scope behind a $ref under anyOf',
    change: (d) => {
      payloadOf(d).properties.reporter = { anyOf: [{ $ref: '#/definitions/secret' }] };
      payloadOf(d).properties.watchers = { type: 'array' };
      d.definitions.secret['x-scope'] = 'write';
    },
    code: 'platform_x_scope_misplaced',
    pointer: '/definitions/secret/x-scope',
    line: '"x-scope": "write"',
    message: /"x-scope" stands where redaction does not look/,
  },
  {
    what: 'x-scope under additionalProperties',
    change: (d) => {
      payloadOf(d).additionalProperties = { 'x-scope': 'write' };
    },
    code: 'platform_x_scope_misplaced',
    pointer: `${EVENT}/payload/additionalProperties/x-scope`,
    line: '"x-scope": "write"',
    message: /"x-scope" stands where redaction does not look/,
  },
  {
    what: 'x-scope under patternProperties',
    change: (d) => {
      payloadOf(d).patternProperties = { '^x/': { 'x-scope': 'write' } };
    },
    code: 'platform_x_scope_misplaced',
    pointer: `${EVENT}/payload/patternProperties/^x~1/x-scope`,
    line: '"x-scope": "write"',
    message: /"x-scope" stands where redaction does not look/,
  },
  ...['if', 'then', 'else', 'not', 'contains', 'propertyNames'].map(
    (keyword): Row => ({
      what: `x-scope under "${keyword}"`,
      change: (d) => {
        if (keyword === 'then' || keyword === 'else') payloadOf(d).if = {};
        payloadOf(d)[keyword] = { properties: { title: { 'x-scope': 'write' } } };
      },
      code: 'platform_x_scope_misplaced',
      pointer: `${EVENT}/payload/${keyword}/properties/title/x-scope`,
      line: '"x-scope": "write"',
      message: /"x-scope" stands where redaction does not look/,
    }),
  ),
  {
    what: 'x-open where redaction does not look',
    change: (d) => {
      payloadOf(d).anyOf = [{ 'x-open': true }];
    },
    code: 'platform_x_scope_misplaced',
    pointer: `${EVENT}/payload/anyOf/0/x-open`,
    line: '"x-open": true',
    message: /"x-open" stands where redaction does not look/,
  },
  {
    what: 'x-scope on the whole payload',
    change: (d) => {
      payloadOf(d)['x-scope'] = 'write';
    },
    code: 'platform_x_scope_misplaced',
    pointer: `${EVENT}/payload/x-scope`,
    line: '"x-scope": "write"',
    message: /A whole payload cannot be left out/,
    hint: /Use the "scope" of the event/,
  },
  {
    what: 'x-scope on the whole payload through its $ref',
    change: (d) => {
      d.events['issue:new'].payload = { $ref: '#/definitions/secret' };
      d.definitions.secret['x-scope'] = 'write';
    },
    code: 'platform_x_scope_misplaced',
    pointer: '/definitions/secret/x-scope',
    line: '"x-scope": "write"',
    message: /A whole payload cannot be left out/,
  },
  {
    what: 'a $ref to nothing',
    change: (d) => {
      payloadOf(d).properties.reporter = { $ref: '#/definitions/persn' };
    },
    code: 'platform_ref_unknown',
    pointer: `${EVENT}/payload/properties/reporter/$ref`,
    line: '"#/definitions/persn"',
    message: /"#\/definitions\/persn" refers to nothing/,
  },
  {
    what: 'a $ref to what every object inherits',
    change: (d) => {
      payloadOf(d).properties.reporter = { $ref: '#/definitions/constructor' };
    },
    code: 'platform_ref_unknown',
    pointer: `${EVENT}/payload/properties/reporter/$ref`,
    line: '"#/definitions/constructor"',
    message: /"#\/definitions\/constructor" refers to nothing/,
  },
  {
    what: 'a $ref into the middle of a definition, where redaction does not look',
    change: (d) => {
      payloadOf(d).properties.reporter = { $ref: '#/definitions/person/properties/name' };
    },
    code: 'platform_ref_unknown',
    pointer: `${EVENT}/payload/properties/reporter/$ref`,
    line: '"#/definitions/person/properties/name"',
    message: /refers to nothing/,
  },
  {
    what: 'a $ref out of the document',
    change: (d) => {
      payloadOf(d).properties.reporter = { $ref: 'https://schemas.example/person.json' };
    },
    code: 'platform_ref_unknown',
    pointer: `${EVENT}/payload/properties/reporter/$ref`,
    line: '"https://schemas.example/person.json"',
    message: /refers to nothing/,
  },
  {
    what: 'a list of schemas under "items"',
    change: (d) => {
      payloadOf(d).properties.watchers.items = [{ type: 'string' }, { type: 'number' }];
    },
    code: 'platform_tuple',
    pointer: `${EVENT}/payload/properties/watchers/items`,
    line: '"items": [',
    message: /cannot be redacted/,
  },
  {
    what: 'a keyword that JSON Schema does not have',
    change: (d) => {
      payloadOf(d).properties.title.maxlength = 3;
    },
    code: 'platform_schema',
    pointer: `${EVENT}/payload`,
    line: '"payload": {',
    message: /not a usable JSON Schema: .*maxlength/,
  },
  {
    what: 'an example that does not fit',
    change: (d) => {
      d.events['issue:new'].example.watchers[0].name = 7;
    },
    code: 'platform_example',
    pointer: `${EVENT}/example/watchers/0/name`,
    line: '"name": 7',
    message: /The example does not fit the payload schema: must be string/,
  },
  {
    what: 'an example without a required field',
    change: (d) => {
      d.events['issue:new'].example = {};
    },
    code: 'platform_example',
    pointer: `${EVENT}/example`,
    line: '"example": {}',
    message: /must have required property 'title'/,
  },
  {
    what: 'signatures of which none binds the body',
    change: (d) => {
      d.webhooks.signatures = ['connect'];
    },
    code: 'platform_invalid',
    pointer: '/webhooks/signatures',
    line: '"signatures": [',
    message: /"signatures" /,
  },
  {
    what: 'no signatures at all',
    change: (d) => {
      d.webhooks.signatures = [];
    },
    code: 'platform_invalid',
    pointer: '/webhooks/signatures',
    line: '"signatures": []',
    message: /"signatures" /,
  },
  {
    what: 'an unknown field at the top',
    change: (d) => {
      d.evnts = {};
    },
    code: 'platform_unknown_field',
    pointer: '/evnts',
    line: '"evnts": {}',
    message: /"evnts" is not known here/,
    hint: /Did you mean "events"\?/,
  },
  {
    what: 'an unknown field of an event',
    change: (d) => {
      d.events['issue:new'].scpe = 'read';
    },
    code: 'platform_unknown_field',
    pointer: `${EVENT}/scpe`,
    line: '"scpe": "read"',
    message: /"scpe" is not known here/,
    hint: /Did you mean "scope"\?/,
  },
  {
    what: 'a missing field',
    change: (d) => {
      delete d.scopes.email.sentence;
    },
    code: 'platform_required',
    pointer: '/scopes/email',
    line: '"email": {}',
    message: /"sentence" is missing in "email"/,
  },
  {
    what: 'a syntax error',
    text: '{\n  "key": "tracker",\n  "name" "Tracker"\n}',
    code: 'json_syntax',
    pointer: '',
    line: '"Tracker"',
    message: /A colon is missing/,
  },
  {
    what: 'a comma too many',
    text: '{\n  "key": "tracker",\n  "name": "Tracker",\n}',
    code: 'json_trailing_comma',
    pointer: '',
    line: '}',
    message: /comma before "}"/,
  },
];

function refusal(text: string): MortiseError {
  try {
    compilePlatform(text, 'tracker.json');
  } catch (error) {
    return error as MortiseError;
  }
  throw new Error('it was accepted');
}

function lineOf(text: string, what: string): number {
  const lines = text.split('\n');
  const found = lines.flatMap((line, i) => (line.includes(what) ? [i + 1] : []));
  expect(found, `lines with ${what}`).to.have.length(1);
  return found[0]!;
}

describe('a platform definition', () => {
  it('in which everything is right is accepted', () => {
    expect(() => compilePlatform(JSON.stringify(definition()))).not.to.throw();
  });

  for (const { what, change, text: given, code, pointer, line, message, hint } of rows) {
    it(`with ${what} is refused at its place`, () => {
      const wrong = definition();
      change?.(wrong);
      const text = given ?? JSON.stringify(wrong, null, 2);
      const error = refusal(text);
      expect(error.code, error.message).to.equal('platform_invalid');
      const { faults = [] } = error;
      const places = faults.map((f) => `${f.code} ${f.pointer}`);
      expect(places).to.include(`${code} ${pointer}`);
      const fault = faults.find((f) => f.code === code && f.pointer === pointer)!;
      expect(fault.line).to.equal(lineOf(text, line));
      expect(fault.severity).to.equal('error');
      expect(fault.message).to.match(message);
      if (hint) expect(fault.hint).to.match(hint);
      const first = faults[0]!;
      expect(error.message).to.match(/^The tracker\.json has a mistake at /);
      expect(error.message).to.include(`${first.line}:${first.column} `);
    });
  }

  it('with several mistakes is refused with all of them at once', () => {
    const wrong = definition();
    wrong.scopes.write.implies = ['nobody'];
    wrong.events['issue:new'].scope = 'nobody';
    payloadOf(wrong).properties.title['x-scope'] = 'email';
    const { faults, message } = refusal(JSON.stringify(wrong, null, 2));
    expect(faults!.map((f) => f.code)).to.have.members([
      'platform_scope_unknown',
      'platform_scope_unknown',
      'platform_x_scope_required',
    ]);
    expect(message).to.match(/\(and 2 more\)$/);
  });

  it('names each mistake once, however many events refer to the definition it is in', () => {
    const wrong = definition();
    wrong.events['issue:gone'] = structuredClone(wrong.events['issue:new']);
    wrong.definitions.person.properties.address['x-scope'] = 'nobody';
    const { faults } = refusal(JSON.stringify(wrong, null, 2));
    expect(faults).to.have.length(1);
  });
});

describe('a payload schema', () => {
  /** Platform of one event whose payload is an object with these properties. */
  function withProperties(properties: object, more: object = {}) {
    const changed = definition();
    changed.events['issue:new'].payload = { type: 'object', properties, ...more };
    changed.events['issue:new'].example = {};
    return compilePlatform(JSON.stringify(changed)).events.get('issue:new')!;
  }

  for (const name of ['constructor', 'toString', 'hasOwnProperty', '__proto__']) {
    it(`may name a field "${name}", which a payload may leave out or have`, () => {
      const properties = JSON.parse(`{"${name}":{"type":"string"}}`);
      const { fits, fields } = withProperties(properties);
      expect(fits({}), 'without it').to.equal(true);
      const payload = JSON.parse(`{"${name}":"seen"}`);
      expect(fits(payload), 'with it').to.equal(true);
      expect(JSON.stringify(redact(payload, fields, new Set()).payload)).to.equal(
        JSON.stringify(payload),
      );
    });

    it(`may require a field "${name}", which a payload cannot inherit`, () => {
      const changed = definition();
      const payload = { type: 'object', properties: {}, required: [name] };
      changed.events['issue:new'].payload = payload;
      changed.events['issue:new'].example = JSON.parse(`{"${name}":"seen"}`);
      const { fits } = compilePlatform(JSON.stringify(changed)).events.get('issue:new')!;
      expect(fits({}), 'without it').to.equal(false);
    });
  }
});
