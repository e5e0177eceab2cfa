// Every route of the sample's REST API, with a call that succeeds.
import { expect } from 'chai';
import type { RunningCodeHost } from './run-code-host.ts';

export interface Door {
  /** As the platform definition has it. */
  method: string;
  path: string;
  /** What the call answers when everything is allowed. */
  answers: number;
  body?: (n: number) => unknown;
  /** What it publishes. */
  event?: string;
  /** Makes what the call is about. @returns parameters of the path other than the usual */
  prepare?: (world: World, n: number) => Promise<Record<string, string | number>>;
}

/** What there is to begin with. */
export interface World {
  running: RunningCodeHost;
  hash: string;
}

const REPOSITORY = '/2.0/repositories/{workspace}/{repository}';
const ISSUE = `${REPOSITORY}/issues/{id}`;
const COMMIT = `${REPOSITORY}/commit/{commit}`;
const SNIPPETS = '/2.0/snippets/{workspace}';
const content = { raw: 'Some text' };

const get = (path: string): Door => ({ method: 'GET', path, answers: 200 });
const post = (path: string, body: Door['body'], more: Partial<Door> = {}): Door => ({
  method: 'POST',
  path,
  answers: 201,
  body,
  ...more,
});
const put = (path: string, body: unknown, more: Partial<Door> = {}): Door => ({
  method: 'PUT',
  path,
  answers: 200,
  body: () => body,
  ...more,
});
const del = (path: string, prepare: Door['prepare'], more: Partial<Door> = {}): Door => ({
  method: 'DELETE',
  path,
  answers: 204,
  prepare,
  ...more,
});

export const DOORS: Door[] = [
  get('/2.0/user'),
  put('/2.0/user', { display_name: 'Acme' }),
  get('/2.0/user/emails'),
  get('/2.0/teams'),
  put('/2.0/teams/{workspace}/members/{user}', { role: 'read' }),

  get('/2.0/repositories/{workspace}'),
  get(REPOSITORY),
  post(REPOSITORY, () => ({ description: 'New' }), {
    event: 'repo:created',
    prepare: async (_world, n) => ({ repository: `made-${n}` }),
  }),
  put(REPOSITORY, { description: 'Changed' }, { event: 'repo:updated' }),
  del(REPOSITORY, newRepository, { event: 'repo:deleted' }),
  get(`${REPOSITORY}/commits`),
  get(COMMIT),
  get(`${COMMIT}/statuses`),
  post(`${COMMIT}/statuses/build`, (n) => ({ key: `check-${n}`, state: 'FAILED' }), {
    event: 'repo:commit_status_created',
  }),
  post(`${COMMIT}/statuses/build`, () => ({ key: 'again', state: 'SUCCESSFUL' }), {
    answers: 200,
    event: 'repo:commit_status_updated',
    prepare: async ({ running, hash }) => {
      const path = `/2.0/repositories/acme/site/commit/${hash}/statuses/build`;
      await running.rest('POST', path, { key: 'again', state: 'INPROGRESS' });
      return {};
    },
  }),
  get(`${COMMIT}/comments`),
  post(`${COMMIT}/comments`, () => ({ content }), { event: 'repo:commit_comment_created' }),
  get(`${REPOSITORY}/src`),
  get(`${REPOSITORY}/src/{commit}/{path}`),
  post(`${REPOSITORY}/src`, (n) => new URLSearchParams({ 'a.txt': `${n}`, message: 'Change a' }), {
    event: 'repo:push',
  }),

  get(`${REPOSITORY}/issues`),
  post(`${REPOSITORY}/issues`, () => ({ title: 'Broken', content }), { event: 'issue:created' }),
  put(`${REPOSITORY}/issues`, { enabled: true }),
  get(ISSUE),
  put(ISSUE, { state: 'resolved' }, { event: 'issue:updated' }),
  del(ISSUE, async ({ running }) => {
    const { json } = await running.rest('POST', '/2.0/repositories/acme/site/issues', {
      title: 'A mistake',
    });
    return { id: json.id };
  }),
  get(`${ISSUE}/comments`),
  post(`${ISSUE}/comments`, () => ({ content }), { event: 'issue:comment_created' }),

  get(`${REPOSITORY}/wiki`),
  put(`${REPOSITORY}/wiki`, { enabled: true }),
  get(`${REPOSITORY}/wiki/{page}`),
  put(`${REPOSITORY}/wiki/{page}`, { content }),
  del(`${REPOSITORY}/wiki/{page}`, async ({ running }) => {
    await running.rest('PUT', '/2.0/repositories/acme/site/wiki/Old', { content });
    return { page: 'Old' };
  }),

  get(`${REPOSITORY}/pullrequests`),
  get(`${REPOSITORY}/pullrequests/{id}`),
  post(
    `${REPOSITORY}/pullrequests`,
    () => ({ title: 'Take this', source: { branch: { name: 'topic' } } }),
    { event: 'pullrequest:created' },
  ),

  get(SNIPPETS),
  post(SNIPPETS, () => ({ title: 'Short', content })),
  get(`${SNIPPETS}/{id}`),
  put(`${SNIPPETS}/{id}`, { title: 'Shorter' }),
  put(`${SNIPPETS}/{id}/visibility`, { is_private: true }),
  del(`${SNIPPETS}/{id}`, async ({ running }) => {
    const { json } = await running.rest('POST', '/2.0/snippets/acme', { title: 'Gone soon' });
    return { id: json.id };
  }),
  get(`${SNIPPETS}/{id}/comments`),
  post(`${SNIPPETS}/{id}/comments`, () => ({ content })),

  get('/2.0/workspaces/{workspace}/hooks'),
];

/** Issue 1, pull request 1, snippet 1, the page Home, and a branch beside main. */
export async function furnish(running: RunningCodeHost): Promise<World> {
  const hash = await running.commit({ 'README.md': '# Site\n' });
  await running.commit({ 'docs/more.md': 'More\n' }, 'topic');
  const made = [
    await running.rest('POST', '/2.0/repositories/acme/site/issues', { title: 'First' }),
    await running.rest('PUT', '/2.0/repositories/acme/site/wiki/Home', { content }),
    await running.rest('POST', '/2.0/snippets/acme', { title: 'First', content }),
    await running.rest('POST', '/2.0/repositories/acme/site/pullrequests', {
      title: 'First',
      source: { branch: { name: 'topic' } },
    }),
  ];
  for (const { status, text } of made) expect(status, text).to.be.within(200, 201);
  return { running, hash };
}

let counter = 0;

/** Goes through a door. @param isPrepared false: only knocks; what it is about need not be there. */
export async function go(
  { method, path, body, prepare }: Door,
  world: World,
  accessToken?: string,
  isPrepared = true,
) {
  counter += 1;
  const parameters: Record<string, string | number> = {
    workspace: 'acme',
    repository: 'site',
    commit: world.hash,
    path: 'README.md',
    id: 1,
    page: 'Home',
    user: 'carol',
    ...(isPrepared && (await prepare?.(world, counter))),
  };
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => String(parameters[name]));
  return world.running.rest(method, filled, body?.(counter), accessToken);
}

async function newRepository({ running }: World, n: number) {
  await running.rest('POST', `/2.0/repositories/acme/short-lived-${n}`, {});
  return { repository: `short-lived-${n}` };
}
