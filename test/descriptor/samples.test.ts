import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { PUBLIC_ONLY } from '../../src/core/addresses.ts';
import type { Fault } from '../../src/core/errors.ts';
import { type Validation, validateDescriptorText } from '../../src/descriptor/validate.ts';
import { compilePlatform } from '../../src/platform/compile.ts';
import type { Platform } from '../../src/platform/platform.ts';

const FOLDER = new URL('../../descriptors/', import.meta.url);

const bitbucket = compilePlatform(
  readFileSync(new URL('../../platforms/bitbucket.json', import.meta.url), 'utf8'),
  'platforms/bitbucket.json',
);

/** Compares scopes as Jira does: upper or lower case, as the author likes. */
const anyCase = compilePlatform(
  JSON.stringify({
    key: 'tracker',
    name: 'Tracker',
    scopes: {
      read: { sentence: 'Read your issues' },
      write: { sentence: 'Change your issues', implies: ['read'] },
    },
    events: {
      issue_created: {
        title: 'Issue created',
        scope: 'read',
        payload: { type: 'object' },
        example: {},
      },
    },
    descriptors: { scopeCase: 'any' },
  }),
);

function read(file: string): string {
  return readFileSync(new URL(file, FOLDER), 'utf8');
}

function validate(text: string, platform: Platform = bitbucket): Validation {
  return validateDescriptorText(text, {
    platform,
    policy: PUBLIC_ONLY,
    hostOrigin: 'https://code.example',
  });
}

function jsonFiles(folder: string): string[] {
  return readdirSync(new URL(folder, FOLDER)).filter((name) => name.endsWith('.json'));
}

type Row = [code: string, pointer: string, line: number, column: number];

function rowsOf(faults: Fault[], severity: Fault['severity']): Row[] {
  return faults
    .filter((fault) => fault.severity === severity)
    .map(({ code, pointer, line, column }) => [code, pointer!, line!, column!]);
}

/** Every file in descriptors/ with the codes of its warnings. */
const GOOD: Record<string, string[]> = {
  'absolute-urls.json': [],
  'base-url-with-path-and-trailing-slash.json': [],
  'full.json': [],
  'implied-scope.json': [],
  'minimal.json': [],
  'name-as-string.json': [],
  'no-slash-urls.json': [],
  'oauth-consumer-only.json': [],
  'signed-install.json': [],
  'singular-modules.json': [],
  'static-no-auth.json': [],
  'unknown-fields.json': [
    'descriptor_unknown_field',
    'lifecycle_ignored',
    'scope_repeated',
    'descriptor_unknown_field',
    'webhook_field_ignored',
    'webhook_repeated',
    'module_unknown',
    'module_location_unknown',
  ],
  'upper-case-scopes.json': [],
  'webhooks-without-installed.json': ['lifecycle_installed_missing'],
  'wildcard-webhook.json': [],
  'wildcard-without-scopes.json': ['webhook_never_sent'],
};

const OTHER_PLATFORM: Record<string, Platform> = { 'upper-case-scopes.json': anyCase };

/** Every file in descriptors/invalid/ with its errors, all of them, in the order of their places. */
const BAD: Record<string, Row[]> = {
  'array.json': [['descriptor_not_object', '', 1, 1]],
  'authentication-oauth2.json': [['descriptor_value', '/authentication/type', 5, 31]],
  'base-url-of-the-host.json': [['base_url_is_host', '/baseUrl', 4, 14]],
  'base-url-without-scheme.json': [['base_url_invalid', '/baseUrl', 4, 14]],
  'comment.json': [['json_comment', '', 3, 3]],
  'context-of-another-product.json': [['context_unknown', '/contexts/1', 5, 27]],
  'credentials-in-lifecycle.json': [
    ['lifecycle_unknown', '/lifecycle/clientKey', 8, 18],
    ['lifecycle_unknown', '/lifecycle/oauthClientId', 9, 22],
  ],
  'credentials-in-url.json': [
    ['url_credentials', '/baseUrl', 4, 14],
    ['url_credentials', '/lifecycle/installed', 6, 31],
  ],
  'duplicate-json-name.json': [['json_duplicate_name', '/scopes', 6, 3]],
  'duplicate-module-key.json': [['module_key_duplicate', '/modules/repoPages/0/key', 18, 16]],
  'event-without-scope.json': [['event_needs_scope', '/modules/webhooks/1/event', 11, 18]],
  'html.json': [['json_html', '', 1, 1]],
  'http-base-url.json': [['base_url_not_https', '/baseUrl', 4, 14]],
  'key-too-long.json': [['descriptor_too_long', '/key', 2, 10]],
  'lifecycle-without-authentication.json': [['authentication_required', '', 1, 1]],
  'missing-comma.json': [['json_syntax', '', 4, 3]],
  'missing-required-fields.json': [
    ['descriptor_required', '', 1, 1],
    ['descriptor_required', '', 1, 1],
  ],
  'module-without-key.json': [['module_key', '/modules/repoPages/0', 7, 7]],
  'null-required-field.json': [['descriptor_type', '/key', 2, 10]],
  'private-base-url.json': [['address_private', '/baseUrl', 4, 14]],
  'scope-of-another-product.json': [['scope_unknown', '/scopes/0', 7, 14]],
  'several-faults.json': [
    ['descriptor_format', '/key', 2, 10],
    ['descriptor_empty', '/name', 3, 11],
    ['base_url_not_https', '/baseUrl', 4, 14],
    ['authentication_required', '/authentication/type', 5, 31],
    ['lifecycle_unknown', '/lifecycle/instaled', 6, 30],
    ['url_not_on_base', '/lifecycle/uninstalled', 6, 59],
    ['context_unknown', '/contexts/0', 7, 16],
    ['scope_unknown', '/scopes/0', 8, 14],
    ['scope_unknown', '/scopes/1', 8, 33],
    ['event_unknown', '/modules/webhooks/0/event', 11, 18],
    ['descriptor_required', '/modules/webhooks/1', 12, 7],
    ['event_needs_scope', '/modules/webhooks/1/event', 12, 18],
    ['module_required', '/modules/webItems/0', 15, 7],
  ],
  'too-deep.json': [['json_too_deep', '', 5, 76]],
  'trailing-comma.json': [['json_trailing_comma', '', 5, 1]],
  'truncated.json': [['json_truncated', '', 5, 26]],
  'two-values.json': [['json_second_value', '', 6, 1]],
  'unknown-event.json': [['event_unknown', '/modules/webhooks/0/event', 9, 29]],
  'unknown-scope.json': [['scope_unknown', '/scopes/1', 7, 28]],
  'unrendered-template-unquoted.json': [['json_template', '', 5, 13]],
  'unrendered-template.json': [
    ['descriptor_template', '/key', 2, 10],
    ['descriptor_template', '/baseUrl', 4, 14],
    ['descriptor_template', '/modules/webhooks/0/url', 9, 49],
  ],
  'url-on-other-origin.json': [['url_not_on_base', '/modules/webhooks/0/url', 9, 49]],
  'webhooks-with-none.json': [['authentication_required', '/authentication/type', 5, 31]],
};

/** What an author reads: a file, and what one of its sentences says. */
const SENTENCES: [file: string, says: RegExp][] = [
  ['array.json', /one JSON object; this is a list/],
  ['authentication-oauth2.json', /"oauth2" is not allowed .* Allowed: jwt, none/],
  ['base-url-of-the-host.json', /"https:\/\/code\.example" is this host itself/],
  ['base-url-without-scheme.json', /Write it like "https:\/\/addon\.example"/],
  ['comment.json', /JSON has no comments\. Remove it\./],
  ['context-of-another-product.json', /"repository" .* Known: workspace, account, personal/],
  ['credentials-in-lifecycle.json', /Credentials are made by the host/],
  ['credentials-in-url.json', /user name or password\. Remove them/],
  ['duplicate-json-name.json', /"scopes" stands twice/],
  ['duplicate-module-key.json', /"results" is used by \/modules\/webPanels\/0 already \(line 9\)/],
  ['event-without-scope.json', /needs scope "issue"; the descriptor does not ask for it/],
  ['event-without-scope.json', /Add "issue" to "scopes" \(line 7\), or remove this webhook/],
  ['html.json', /HTML .* page, not JSON\. .*sign-in/],
  ['http-base-url.json', /not https\. Use https; .* --dev/],
  ['key-too-long.json', /"key" is longer than 64 characters/],
  ['lifecycle-without-authentication.json', /Set "authentication": \{"type": "jwt"\}/],
  ['missing-comma.json', /A comma is missing before this\. Add it\./],
  ['missing-required-fields.json', /"baseUrl" is missing\. Add it\./],
  ['module-without-key.json', /A "repoPages" needs a key of letters, digits/],
  ['null-required-field.json', /"key" must be a string, not null/],
  ['private-base-url.json', /"10\.0\.0\.7" is not a public address; this host does not call it/],
  ['scope-of-another-product.json', /All scopes: GET \/operator\/v1\/scopes/],
  ['several-faults.json', /"several faults" .* Use letters, digits, "\.", "_" and "-" only\./],
  ['too-deep.json', /nested deeper than 64 levels/],
  ['trailing-comma.json', /a comma before "}"\. Remove the comma/],
  ['truncated.json', /ends before its value does/],
  ['two-values.json', /second value .* Keep only one/],
  ['unknown-event.json', /Did you mean "repo:push"\?/],
  ['unknown-scope.json', /Did you mean "repository:write"\? All scopes:/],
  ['unrendered-template-unquoted.json', /template that was never rendered/],
  ['unrendered-template.json', /"\{\{localBaseUrl\}\}" is a template that was never rendered/],
  ['url-on-other-origin.json', /outside baseUrl "https:\/\/addon\.example"\. Write a path/],
  ['webhooks-with-none.json', /authentication is "none": the add-on could not tell who calls it/],
];

describe('the sample descriptors', () => {
  it('have a row each in this test, and a line each in descriptors/README.md', () => {
    expect(jsonFiles('.')).to.have.members(Object.keys(GOOD));
    expect(jsonFiles('invalid/')).to.have.members(Object.keys(BAD));
    const readme = read('README.md');
    for (const file of [...Object.keys(GOOD), ...Object.keys(BAD).map((f) => `invalid/${f}`)])
      expect(readme).to.contain(`](${file})`);
  });

  for (const [file, warnings] of Object.entries(GOOD)) {
    it(`accept ${file}${warnings.length > 0 ? `, with ${warnings.length} warnings` : ''}`, () => {
      const { descriptor, faults } = validate(read(file), OTHER_PLATFORM[file]);
      expect(rowsOf(faults, 'error')).to.deep.equal([]);
      expect(faults.map(({ code }) => code)).to.deep.equal(warnings);
      expect(descriptor).to.be.an('object');
    });
  }

  for (const [file, errors] of Object.entries(BAD)) {
    it(`refuse ${file}: ${errors.map(([code]) => code).join(', ')}`, () => {
      const { descriptor, faults } = validate(read(`invalid/${file}`));
      expect(rowsOf(faults, 'error')).to.deep.equal(errors);
      expect(descriptor).to.equal(undefined);
    });
  }

  for (const [file, says] of SENTENCES) {
    it(`say what is wrong with ${file}: ${says.source}`, () => {
      const { faults } = validate(read(`invalid/${file}`));
      expect(faults.map(({ message, hint }) => `${message} ${hint ?? ''}`).join('\n')).to.match(
        says,
      );
    });
  }

  it('are refused with a sentence, never with the words of a parser', () => {
    for (const file of Object.keys(BAD)) {
      for (const { message, hint } of validate(read(`invalid/${file}`)).faults) {
        expect(message, file).to.match(/^\S.*\.$/);
        expect(`${message} ${hint}`, file).not.to.match(
          /Unexpected token|at position|instancePath/,
        );
      }
    }
  });

  it('never repeat a password that stands in an address', () => {
    const { faults } = validate(read('invalid/credentials-in-url.json'));
    expect(JSON.stringify(faults)).not.to.contain('p4ssw0rd');
  });
});

describe('a descriptor that was read', () => {
  const readGood = (file: string) => validate(read(file), OTHER_PLATFORM[file]).descriptor!;

  const urls: [file: string, installed: string | undefined, hook: string][] = [
    ['full.json', 'https://addon.example/installed', 'https://addon.example/hooks/push'],
    [
      'no-slash-urls.json',
      'https://addon.example/connect/installed',
      'https://addon.example/connect/hook',
    ],
    [
      'base-url-with-path-and-trailing-slash.json',
      'https://addon.example/connect/installed',
      'https://addon.example/connect/hook',
    ],
    [
      'absolute-urls.json',
      'https://addon.example/connect/installed',
      'https://addon.example/connect/hook',
    ],
    ['webhooks-without-installed.json', undefined, 'https://addon.example/hook'],
  ];
  for (const [file, installed, hook] of urls) {
    it(`has the addresses its author meant: ${file}`, () => {
      const { lifecycle, webhooks } = readGood(file);
      expect(lifecycle.installed).to.equal(installed);
      expect(webhooks[0]!.url).to.equal(hook);
    });
  }

  it('keeps baseUrl character for character', () => {
    expect(readGood('base-url-with-path-and-trailing-slash.json').baseUrl).to.equal(
      'https://addon.example/connect/',
    );
  });

  it('has modules by their plural names, each a list', () => {
    const { modules, webhooks } = readGood('singular-modules.json');
    expect(modules.webPanels).to.have.lengthOf(1);
    expect(modules.repoPages).to.have.lengthOf(1);
    expect(modules).not.to.have.any.keys('webPanel', 'repoPage');
    expect(webhooks).to.deep.equal([{ event: 'repo:push', url: 'https://addon.example/hook' }]);
  });

  it('has scopes in the spelling of the platform', () => {
    expect(readGood('upper-case-scopes.json').scopes).to.deep.equal(['read', 'write']);
  });

  it('has each scope once, as it was asked for and not expanded', () => {
    expect(readGood('unknown-fields.json').scopes).to.deep.equal(['repository']);
    expect(readGood('implied-scope.json').scopes).to.deep.equal(['repository:write']);
  });

  it('asks for nothing if it has no scopes', () => {
    expect(readGood('minimal.json').scopes).to.deep.equal([]);
  });

  it('calls an account what the platform calls it', () => {
    expect(readGood('full.json').contexts).to.deep.equal(['workspace']);
  });

  it('has its key for a name if it has none', () => {
    expect(readGood('minimal.json').name).to.equal('minimal');
  });

  it('asks for signed installs only where it says so', () => {
    expect(readGood('signed-install.json').signedInstall).to.equal(true);
    expect(readGood('full.json').signedInstall).to.equal(false);
  });
});

describe('the place of a fault', () => {
  const scope = read('invalid/unknown-scope.json');
  const places: [how: string, text: string][] = [
    ['with CRLF at the ends of lines', scope.replaceAll('\n', '\r\n')],
    ['after a byte order mark', `\ufeff${scope}`],
  ];
  for (const [how, text] of places) {
    it(`is the same ${how}`, () => {
      expect(rowsOf(validate(text).faults, 'error')).to.deep.equal(BAD['unknown-scope.json']);
    });
  }
});
