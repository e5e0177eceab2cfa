import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { compilePlatform } from '../../src/platform/compile.ts';
import { redact } from '../../src/platform/redact.ts';

const EMAIL = /[^\s@<>"]+@[^\s@<>"]+\.[a-z]+/i;

const bitbucket = compilePlatform(
  readFileSync(new URL('../../platforms/bitbucket.json', import.meta.url), 'utf8'),
  'platforms/bitbucket.json',
);
const everyScope = new Set(bitbucket.scopes.all.keys());

// biome-ignore lint/suspicious/noExplicitAny: payloads of many shapes
function exampleAsSeenWith(type: string, ...granted: string[]): any {
  const { example, fields } = bitbucket.events.get(type)!;
  return plain(redact(example, fields, bitbucket.scopes.closure(granted)).payload);
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe('the Bitbucket platform', () => {
  it('has the events of repositories and issues', () => {
    expect([...bitbucket.events.keys()]).to.have.members([
      'repo:push',
      'repo:fork',
      'repo:updated',
      'repo:commit_comment_created',
      'repo:commit_status_created',
      'repo:commit_status_updated',
      'repo:created',
      'repo:deleted',
      'repo:imported',
      'repo:transfer',
      'repo:branch_created',
      'repo:branch_deleted',
      'issue:created',
      'issue:updated',
      'issue:comment_created',
      'pullrequest:created',
    ]);
  });

  for (const resource of ['repository', 'issue', 'wiki', 'snippet']) {
    it(`has a read, a write and an admin scope for each ${resource}`, () => {
      const levels = [resource, `${resource}:write`, `${resource}:admin`].map(
        (name) => bitbucket.scopes.all.get(name)?.level,
      );
      expect(levels).to.deep.equal(['read', 'write', 'admin']);
    });
  }

  it('knows modules by their singular and plural names', () => {
    expect(bitbucket.modules.find('webPanel')).to.equal('webPanels');
    expect(bitbucket.modules.find('webPanels')).to.equal('webPanels');
  });

  it('calls a workspace "account" as well', () => {
    expect(bitbucket.contextKinds.get('account')).to.equal('workspace');
  });
});

describe('scopes of Bitbucket', () => {
  const closures: Record<string, string[]> = {
    account: ['account', 'email'],
    'account:write': ['account:write', 'account', 'email'],
    email: ['email'],
    'team:write': ['team:write', 'team'],
    repository: ['repository'],
    'repository:write': ['repository:write', 'repository'],
    'repository:admin': ['repository:admin'],
    pullrequest: ['pullrequest', 'repository'],
    'pullrequest:write': ['pullrequest:write', 'pullrequest', 'repository:write', 'repository'],
    issue: ['issue'],
    'issue:write': ['issue:write', 'issue'],
    'issue:admin': ['issue:admin'],
    wiki: ['wiki'],
    'wiki:write': ['wiki:write', 'wiki'],
    'wiki:admin': ['wiki:admin'],
    snippet: ['snippet'],
    'snippet:write': ['snippet:write', 'snippet'],
    'snippet:admin': ['snippet:admin'],
    project: ['project', 'repository'],
    'project:admin': ['project:admin'],
    'pipeline:write': ['pipeline:write', 'pipeline'],
    'pipeline:variable': ['pipeline:variable', 'pipeline:write', 'pipeline'],
    webhook: ['webhook'],
  };
  for (const [name, closure] of Object.entries(closures)) {
    it(`"${name}" stands for ${closure.join(', ')}`, () => {
      expect([...bitbucket.scopes.closure([name])]).to.have.members(closure);
    });
  }

  it('"issue" is implied by "issue:write" alone', () => {
    const implying = [...everyScope].filter((name) => bitbucket.scopes.covers([name], 'issue'));
    expect(implying).to.have.members(['issue', 'issue:write']);
  });
});

for (const [type, event] of bitbucket.events) {
  describe(`the example of ${type}`, () => {
    it('arrives whole with every scope', () => {
      const { payload, withheld, undeclared } = redact(event.example, event.fields, everyScope);
      expect(plain(payload)).to.deep.equal(event.example);
      expect(withheld).to.deep.equal([]);
      expect(undeclared).to.deep.equal([]);
    });

    it(`shows no e-mail address with "${event.scope}" alone, and still fits its schema`, () => {
      const seen = exampleAsSeenWith(type, event.scope);
      expect(JSON.stringify(seen)).not.to.match(EMAIL);
      expect(event.fits(seen)).to.equal(true);
    });
  });
}

describe('redaction of Bitbucket payloads', () => {
  it('leaves the author of a commit without the address, which "email" adds', () => {
    const [theirs] = exampleAsSeenWith('repo:push', 'repository').push.changes[0].commits;
    expect(theirs.author).to.have.keys('type', 'user');
    const [ours] = exampleAsSeenWith('repo:push', 'repository', 'email').push.changes[0].commits;
    expect(ours.author.raw).to.match(EMAIL);
  });

  it('shows the public profile of the actor, and the rest with "account"', () => {
    const profile = ['type', 'uuid', 'account_id', 'nickname', 'display_name', 'links'];
    expect(exampleAsSeenWith('repo:push', 'repository').actor).to.have.keys(profile);
    expect(exampleAsSeenWith('repo:push', 'repository', 'account').actor).to.include.keys(
      'email',
      'location',
      'created_on',
    );
  });

  it('tells of the repository of an issue no more than its name, unless "repository" is granted', () => {
    const named = ['type', 'uuid', 'name', 'full_name', 'links'];
    expect(exampleAsSeenWith('issue:created', 'issue').repository).to.have.keys(named);
    expect(exampleAsSeenWith('issue:created', 'issue', 'repository').repository).to.include.keys(
      'is_private',
      'owner',
    );
  });

  it('drops what the schema does not name, except in links', () => {
    const { fields } = bitbucket.events.get('repo:created')!;
    const payload = {
      repository: { name: 'site', secret: 'x', links: { clone: [{ name: 'https', href: 'x' }] } },
    };
    const redacted = redact(payload, fields, everyScope);
    expect(redacted.undeclared).to.deep.equal(['/repository/secret']);
    expect(plain(redacted.payload)).to.deep.equal({
      repository: { name: 'site', links: { clone: [{ name: 'https', href: 'x' }] } },
    });
  });
});
