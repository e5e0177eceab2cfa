import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type OutboundPolicy, PUBLIC_ONLY } from '../../src/core/addresses.ts';
import { describeFault } from '../../src/core/errors.ts';
import { validateDescriptorText } from '../../src/descriptor/validate.ts';
import { compilePlatform } from '../../src/platform/compile.ts';

const platform = compilePlatform(
  readFileSync(new URL('../../platforms/bitbucket.json', import.meta.url), 'utf8'),
);

const SOUND = {
  key: 'sound',
  baseUrl: 'https://addon.example',
  authentication: { type: 'jwt' },
  lifecycle: { installed: '/installed' },
  scopes: ['repository'],
};

/** What is said to a sound descriptor with some fields changed: `code pointer`. */
function faultsOf(change: object, policy: OutboundPolicy = PUBLIC_ONLY): string[] {
  return validate(change, policy).faults.map(({ code, pointer }) => `${code} ${pointer}`);
}

function validate(change: object, policy: OutboundPolicy = PUBLIC_ONLY) {
  return validateDescriptorText(JSON.stringify({ ...SOUND, ...change }), {
    platform,
    policy,
    hostOrigin: 'https://code.example',
  });
}

describe('a descriptor', () => {
  it('is sound as these tests begin', () => {
    expect(faultsOf({})).to.deep.equal([]);
  });

  const rows: [what: string, change: object, faults: string[]][] = [
    ['a name that is a number', { name: 5 }, ['descriptor_type /name']],
    ['a description that is null', { description: null }, ['descriptor_type /description']],
    ['a vendor that is a string', { vendor: 'x' }, ['descriptor_type /vendor']],
    ['scopes as a string', { scopes: 'repository' }, ['descriptor_type /scopes']],
    ['scopes that are null', { scopes: null }, ['descriptor_type /scopes']],
    ['a scope that is a number', { scopes: [1] }, ['descriptor_type /scopes/0']],
    ['contexts as a string', { contexts: 'account' }, ['descriptor_type /contexts']],
    ['lifecycle as a list', { lifecycle: [] }, ['descriptor_type /lifecycle']],
    [
      'an address that is null',
      { lifecycle: { installed: null } },
      ['descriptor_type /lifecycle/installed'],
    ],
    ['authentication as a string', { authentication: 'jwt' }, ['descriptor_type /authentication']],
    [
      'authentication without a type',
      { authentication: {} },
      ['descriptor_required /authentication'],
    ],
    [
      'signed-install that is not true or false',
      { apiMigrations: { 'signed-install': 'yes' } },
      ['descriptor_type /apiMigrations/signed-install'],
    ],
    ['modules as a list', { modules: [] }, ['descriptor_type /modules']],
    [
      'a webhook that is null',
      { modules: { webhooks: [null] } },
      ['descriptor_type /modules/webhooks/0'],
    ],
    [
      'a webhook whose event is a number',
      { modules: { webhooks: [{ event: 1, url: '/hook' }] } },
      ['descriptor_type /modules/webhooks/0/event'],
    ],
    [
      'part of a wildcard, since only "*" is one',
      { modules: { webhooks: [{ event: 'repo:*', url: '/hook' }] } },
      ['event_unknown /modules/webhooks/0/event'],
    ],
    [
      'a module that is null',
      { modules: { webPanels: [null] } },
      ['module_type /modules/webPanels/0'],
    ],
    [
      'a script as an address',
      { modules: { webhooks: [{ event: '*', url: 'javascript:alert(1)' }] } },
      ['url_not_on_base /modules/webhooks/0/url'],
    ],
    ['a key that is empty', { key: '' }, ['descriptor_empty /key']],
    ['a key that is a template', { key: '${APP_KEY}' }, ['descriptor_template /key']],
    [
      'an event that is a template',
      { modules: { webhooks: [{ event: '{{event}}', url: '/hook' }] } },
      ['descriptor_template /modules/webhooks/0/event'],
    ],
    [
      'authentication of another kind',
      { authentication: { type: 'oauth2' } },
      ['descriptor_value /authentication/type'],
    ],
    [
      'baseUrl without its scheme, and not the addresses below it',
      { baseUrl: 'addon.example:443' },
      ['base_url_invalid /baseUrl'],
    ],
    ['a query in baseUrl', { baseUrl: 'https://addon.example?x=1' }, ['base_url_invalid /baseUrl']],
    ['a port that is not called', { baseUrl: 'https://addon.example:8443' }, ['url_port /baseUrl']],
    ['a decimal private address', { baseUrl: 'https://167772161' }, ['address_private /baseUrl']],
    [
      'a private address inside IPv6',
      { baseUrl: 'https://[::ffff:10.0.0.1]' },
      ['address_private /baseUrl'],
    ],
    ['localhost', { baseUrl: 'https://localhost' }, ['address_private /baseUrl']],
    [
      'localhost with a dot at the end',
      { baseUrl: 'https://localhost.' },
      ['address_private /baseUrl'],
    ],
    [
      'the host in other letters and with its port',
      { baseUrl: 'https://CODE.example:443/' },
      ['base_url_is_host /baseUrl'],
    ],
    [
      'white space around baseUrl, where it is and not where it is used',
      { baseUrl: 'https://addon.example ' },
      ['base_url_invalid /baseUrl'],
    ],
    [
      'a password in baseUrl, and not the addresses below it',
      { baseUrl: 'https://user:p4ssw0rd@addon.example' },
      ['url_credentials /baseUrl'],
    ],
    [
      'two pages where a platform has one only',
      configurePages(2),
      ['module_single /modules/configurePage/1'],
    ],
    [
      'the same under its two names',
      {
        modules: {
          configurePage: { key: 'one', url: '/page' },
          configurePages: [{ key: 'two', url: '/page' }],
        },
      },
      ['module_single /modules/configurePages/0'],
    ],
  ];
  for (const [what, change, faults] of rows) {
    it(`is refused for ${what}`, () => {
      expect(faultsOf(change)).to.deep.equal(faults);
      expect(validate(change).descriptor).to.equal(undefined);
    });
  }

  const accepted: [what: string, change: object, policy?: OutboundPolicy][] = [
    ['an empty lifecycle', { lifecycle: {} }],
    ['a one-element list where one module is usual', configurePages(1)],
    ['its own fields, if they begin with x-', { 'x-team': [null] }],
    ['an address that begins with two slashes: a path', { lifecycle: { installed: '//other/x' } }],
    ['baseUrl in upper case', { baseUrl: 'HTTPS://Addon.Example' }],
    [
      'plain http on this machine, where that is allowed',
      { baseUrl: 'http://localhost:4000' },
      { loopback: true, ranges: [], ports: [] },
    ],
    [
      'an address of a range this deployment allows',
      { baseUrl: 'https://10.20.0.7' },
      { loopback: false, ranges: ['10.20.0.0/16'], ports: [] },
    ],
    [
      'a port this deployment allows',
      { baseUrl: 'https://addon.example:8443' },
      { loopback: false, ranges: [], ports: [8443] },
    ],
    [
      'any port on this machine, where that is allowed',
      { baseUrl: 'https://localhost:4000' },
      { loopback: true, ranges: [], ports: [] },
    ],
  ];
  for (const [what, change, policy] of accepted) {
    it(`may have ${what}`, () => {
      expect(faultsOf(change, policy)).to.deep.equal([]);
      expect(validate(change, policy).descriptor).to.be.an('object');
    });
  }

  const leaks: [how: string, change: object][] = [
    ['not https', { baseUrl: 'http://user:p4ssw0rd@addon.example' }],
    ['of the host itself', { baseUrl: 'https://user:p4ssw0rd@code.example' }],
    [
      'not where its addresses are',
      {
        baseUrl: 'https://user:p4ssw0rd@addon.example',
        lifecycle: { installed: 'https://elsewhere.example/installed' },
      },
    ],
    ['not a URL', { baseUrl: 'https://user:p4ssw0rd@' }],
    ['without a scheme', { baseUrl: 'user:p4ssw0rd@addon.example' }],
    ['a template', { baseUrl: 'https://user:p4ssw0rd@{{host}}' }],
  ];
  for (const [how, change] of leaks) {
    it(`is never answered with the password in its baseUrl: ${how}`, () => {
      const sentences = validate(change).faults.map(describeFault).join('\n');
      expect(sentences).not.to.equal('');
      expect(sentences).not.to.contain('p4ssw0rd');
    });
  }

  it('is offered a name for a typing error, not for another word', () => {
    const [fault] = validate({ scopes: ['READ'] }).faults;
    expect(fault!.code).to.equal('scope_unknown');
    expect(fault!.hint).not.to.contain('Did you mean');
  });

  it('is told that webhooks may be a list', () => {
    const [fault] = validate({ modules: { webhooks: '/hook' } }).faults;
    expect(fault!.message).to.match(/"webhooks" must be a list or an object, not a string/);
  });
});

function configurePages(count: number): object {
  const pages = Array.from({ length: count }, (_, i) => ({ key: `page-${i}`, url: '/page' }));
  return { modules: { configurePage: pages } };
}
