// A small platform: two scopes, two event types. Bitbucket's takes a host some 400 ms more to start.
import type { PlatformDefinition } from '../../../src/platform/definition.ts';

const payload = {
  type: 'object',
  properties: { n: { type: 'integer' }, pad: { type: 'string' } },
};

export const PLATFORM: PlatformDefinition = {
  key: 'fault-tests',
  name: 'Fault tests',
  contexts: { workspace: {} },
  resources: { repository: { title: 'repository' } },
  scopes: {
    repository: { level: 'read', resource: 'repository', sentence: 'Read your repositories' },
    issue: { level: 'read', resource: 'repository', sentence: 'Read your issues' },
  },
  events: {
    'repo:push': {
      title: 'Push',
      scope: 'repository',
      resource: 'repository',
      payload,
      example: { n: 1 },
    },
    'issue:created': {
      title: 'Issue created',
      scope: 'issue',
      resource: 'repository',
      payload,
      example: { n: 1 },
    },
  },
  webhooks: { body: 'connect', signatures: ['standard', 'connect', 'hub'] },
};
