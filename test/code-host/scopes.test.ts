// Every scope of the platform against every route of the sample: what it opens, and what it leaves closed.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { registerConsumer, token } from '../helpers/consumer.ts';
import { installAddon } from '../helpers/installed-addon.ts';
import { DOORS, furnish, go, type World } from './doors.ts';
import { type RunningCodeHost, runCodeHost } from './run-code-host.ts';

interface Definition {
  scopes: Record<string, { implies?: string[] }>;
  api: { method: string; path: string; scope: string; resource?: string }[];
}

const { scopes, api }: Definition = JSON.parse(readFileSync('platforms/bitbucket.json', 'utf8'));
const SCOPES = Object.keys(scopes);
/** The announcement of 2015: three levels for what a repository has, and the account beside them. */
const ANNOUNCED = [
  ...['repository', 'issue', 'wiki', 'snippet'].flatMap((name) => [
    name,
    `${name}:write`,
    `${name}:admin`,
  ]),
  ...['account', 'account:write', 'email', 'team', 'team:write'],
  ...['pullrequest', 'pullrequest:write', 'webhook'],
];

const routeOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;
const scopeOf = (door: { method: string; path: string }) =>
  api.find((route) => routeOf(route) === routeOf(door))!.scope;

/** By the definition's own words, not by the code under test. */
function opens(scope: string, needed: string): boolean {
  return scope === needed || (scopes[scope]!.implies ?? []).some((name) => opens(name, needed));
}

describe('scopes of the sample code host', () => {
  let running: RunningCodeHost;
  let world: World;
  const tokens = new Map<string, string>();

  before(async () => {
    running = await runCodeHost();
    world = await furnish(running);
    for (const scope of SCOPES) tokens.set(scope, await running.token(scope));
  });
  after(() => running.stop());

  it('guard the routes that the platform definition lists, no more and no fewer', () => {
    expect(running.codeHost.routes).to.have.deep.members(api);
    expect(new Set(DOORS.map(routeOf))).to.deep.equal(new Set(api.map(routeOf)));
  });

  it('have a door each, as announced in 2015', () => {
    expect(api.map(({ scope }) => scope)).to.include.members(ANNOUNCED);
  });

  for (const door of DOORS) {
    const needed = scopeOf(door);

    it(`${routeOf(door)} answers ${door.answers} to what covers ${needed}, to nothing else`, async () => {
      for (const scope of SCOPES) {
        const isOpen = opens(scope, needed);
        const answer = await go(door, world, tokens.get(scope), isOpen);
        const { status, headers, json, text } = answer;
        expect(headers.get('x-oauth-scopes'), scope).to.equal(scope);
        expect(headers.get('x-accepted-oauth-scopes'), scope).to.equal(needed);
        if (isOpen) {
          expect(status, `${scope}: ${text}`).to.equal(door.answers);
          continue;
        }
        expect(status, scope).to.equal(403);
        expect(json, scope).to.deep.equal({
          type: 'error',
          error: {
            message: 'Your credentials lack one or more required privilege scopes.',
            detail: { required: [needed], granted: [scope] },
          },
        });
      }
    });
  }

  it('are asked for before anything else: without a token 401, and nothing said', async () => {
    for (const door of DOORS) {
      const { status, headers, json } = await go(door, world, '', false);
      expect(status, routeOf(door)).to.equal(401);
      expect(headers.get('www-authenticate')).to.equal('Bearer realm="api"');
      expect(headers.has('x-oauth-scopes')).to.equal(false);
      expect(json.type).to.equal('error');
      expect(json.error).to.have.all.keys('message');
    }
  });

  it('open nothing in another workspace, all of them together', async () => {
    const consumer = await registerConsumer(running, { owner: 'globex', scopes: SCOPES });
    const { json } = await token(running, consumer, { grant_type: 'client_credentials' });
    for (const door of DOORS) {
      const answer = await go(door, world, json.access_token);
      if (door.path.includes('{workspace}')) {
        expect(answer.status, routeOf(door)).to.equal(403);
        expect(answer.json.error.message).to.match(/belongs to "globex", not to "acme"/);
      } else {
        expect(answer.text, routeOf(door)).not.to.contain('"username":"acme"');
      }
    }
  });

  it('open one repository only for an installation that is limited to it', async () => {
    const { addon, token: tokenOf } = await installAddon(running, {
      descriptor: { scopes: SCOPES },
      request: { resources: ['acme/docs'] },
    });
    const limited = await tokenOf();
    for (const door of DOORS.filter(({ path }) => path.includes('{workspace}'))) {
      const { status, json } = await go(door, world, limited);
      const isList = routeOf(door) === 'GET /2.0/repositories/{workspace}';
      expect(status, routeOf(door)).to.equal(isList ? 200 : 403);
      if (isList) {
        const names = json.values.map((row: { full_name: string }) => row.full_name);
        expect(names).to.deep.equal(['acme/docs']);
      }
    }
    const { status } = await running.rest('GET', '/2.0/repositories/acme/docs', undefined, limited);
    expect(status).to.equal(200);
    await addon.stop();
  });
});
