import { expect } from 'chai';
import { registerConsumer as register } from '../../src/host/consumers.ts';
import { Browser } from '../helpers/browser.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

describe('the button that upgrades an OAuth 1 consumer', () => {
  let running: RunningHost;

  before(async () => {
    running = await startHost({
      directory: { contexts: () => [{ id: 'acme', name: 'Acme' }], resources: () => [] },
    });
  });
  after(() => running.stop());

  it('names its permissions, closes OAuth 1 for it, and says what it used', async () => {
    const { parts } = running.host;
    const { consumer } = await register(
      {
        name: 'Old client',
        redirectUris: ['https://client.example/cb'],
        scopes: null,
        isOauth1: true,
        owner: 'acme',
        ownerUser: 'alice',
        imported: { clientId: 'old-client', clientSecret: 'secret-of-2013' },
      },
      parts,
    );
    await parts.store.usedScopes.note(consumer.id, 'repository', Date.now());
    await parts.store.usedScopes.note(consumer.id, 'wiki', Date.now());
    const alice = new Browser(running);
    await alice.signIn('alice');
    const page = await alice.get('/account/consumers/old-client');
    expect(page.text).to.include('Upgrade to OAuth 2').and.include('grandfathered');
    const answer = await alice.post('/account/consumers/old-client/upgrade', {
      ...page.hidden,
      name: 'Old client',
      redirectUris: 'https://client.example/cb',
      'scope.repository': 'on',
    });
    expect(answer.text).to.include('Upgraded to OAuth 2').and.include('wiki (no longer allowed)');
    expect(answer.text).not.to.include('Upgrade to OAuth 2 with');
    const after = await parts.store.consumers.find('old-client');
    expect([after?.scopes, after?.isOauth1]).to.deep.equal([['repository'], false]);
  });

  it('is nobody else’s', async () => {
    const bob = new Browser(running);
    await bob.signIn('bob');
    const { hidden } = await bob.get('/account/consumers');
    const { status } = await bob.post('/account/consumers/old-client/upgrade', {
      ...hidden,
      csrf: hidden.csrf ?? '',
    });
    expect(status).to.be.oneOf([403, 404]);
  });
});
