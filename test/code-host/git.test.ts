// The real git command against the sample's smart HTTP, with access tokens.
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Browser } from '../helpers/browser.ts';
import {
  authorizePath,
  CALLBACK,
  consent,
  registerConsumer,
  token,
  tokensOfAlice,
} from '../helpers/consumer.ts';
import { installAddon } from '../helpers/installed-addon.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { commitTo, git, localRepository, remote } from './git.ts';
import { type RunningCodeHost, runCodeHost } from './run-code-host.ts';

const REFS = '/acme/site.git/info/refs';

describe('git with an access token', () => {
  let running: RunningCodeHost;

  const clone = (address: string, ...options: string[]) =>
    git(temporaryFolder(), ...options, 'clone', '--quiet', address, 'copy');
  const push = (folder: string, address: string, ...options: string[]) =>
    git(folder, ...options, 'push', '--force', address, 'HEAD:main');

  before(async () => {
    running = await runCodeHost();
    await running.commit({ 'README.md': '# Site\n' });
  });
  after(() => running.stop());

  describe('clones', () => {
    it('with the scope repository', async () => {
      const folder = temporaryFolder();
      const address = remote(running.url, await running.token('repository'));
      const answer = await git(folder, 'clone', '--quiet', address, 'copy');
      expect(answer.isOk, answer.said).to.equal(true);
      expect(readFileSync(join(folder, 'copy/README.md'), 'utf8')).to.equal('# Site\n');
    });

    it('in the old protocol too', async () => {
      const address = remote(running.url, await running.token('repository'));
      const { isOk, said } = await clone(address, '-c', 'protocol.version=0');
      expect(isOk, said).to.equal(true);
    });

    it('with a scope that implies it', async () => {
      const { isOk, said } = await clone(remote(running.url, await running.token('pullrequest')));
      expect(isOk, said).to.equal(true);
    });

    for (const scope of ['repository:admin', 'issue:write', 'wiki', 'account']) {
      it(`not with ${scope}`, async () => {
        const { isOk, said } = await clone(remote(running.url, await running.token(scope)));
        expect(isOk).to.equal(false);
        expect(said).to.match(/error: 403/);
      });
    }
  });

  describe('pushes', () => {
    it('with the scope repository:write', async () => {
      const folder = await localRepository({ 'pushed.txt': 'by git\n' });
      const answer = await push(
        folder,
        remote(running.url, await running.token('repository:write')),
      );
      expect(answer.isOk, answer.said).to.equal(true);
      const shown = await running.rest('GET', '/2.0/repositories/acme/site/src/main/pushed.txt');
      expect(shown.text).to.equal('by git\n');
    });

    for (const scope of ['repository', 'repository:admin', 'pullrequest', 'issue:write']) {
      it(`not with ${scope}`, async () => {
        const folder = await localRepository({ 'refused.txt': 'never\n' });
        const { isOk, said } = await push(folder, remote(running.url, await running.token(scope)));
        expect(isOk).to.equal(false);
        expect(said).to.match(/error: 403/);
      });
    }

    it('are refused at the second request as at the first', async () => {
      const basic = Buffer.from(`x-token-auth:${await running.token('repository')}`);
      const { status } = await running.request('POST', '/acme/site.git/git-receive-pack', {
        headers: {
          authorization: `Basic ${basic.toString('base64')}`,
          'content-type': 'application/x-git-receive-pack-request',
        },
        body: '0000',
      });
      expect(status).to.equal(403);
    });

    it('of more than 3 MB in chunks', async () => {
      const bytes = randomBytes(3.5 * 1024 * 1024);
      const folder = await localRepository({ 'large.bin': bytes });
      const address = remote(running.url, await running.token('repository:write'));
      const answer = await push(folder, address, '-c', 'http.postBuffer=65536');
      expect(answer.isOk, answer.said).to.equal(true);
      const copy = temporaryFolder();
      const cloned = await git(copy, 'clone', '--quiet', address, 'copy');
      expect(cloned.isOk, cloned.said).to.equal(true);
      expect(readFileSync(join(copy, 'copy/large.bin')).equals(bytes)).to.equal(true);
    });

    it('are told with the add-on as actor, to the add-on too', async () => {
      const { addon, token: tokenOf } = await installAddon(running, {
        descriptor: { key: 'pusher', scopes: ['repository:write'] },
      });
      const folder = await localRepository({ 'told.txt': 'told\n' });
      const hash = await commitTo(folder, { 'told.txt': 'told twice\n' });
      const answer = await push(folder, remote(running.url, await tokenOf()));
      expect(answer.isOk, answer.said).to.equal(true);
      const { json } = await addon.waitFor('/hook');
      expect(json.event).to.equal('repo:push');
      expect(json.data.actor).to.include({ type: 'app_user', nickname: 'pusher' });
      expect(json.data.push.changes[0].new.target.hash).to.equal(hash);
      expect(json.data.push.changes[0].forced).to.equal(true);
      await addon.stop();
    });
  });

  describe('is asked for credentials', () => {
    it('with a Basic challenge, before anything is said of the repository', async () => {
      for (const path of [REFS, REFS.replace('site', 'nothing')]) {
        for (const service of ['git-upload-pack', 'git-receive-pack']) {
          const { status, headers } = await running.request('GET', `${path}?service=${service}`);
          expect(status).to.equal(401);
          expect(headers.get('www-authenticate')).to.equal('Basic realm="git"');
        }
      }
    });

    it('and takes them from a credential helper', async () => {
      const folder = temporaryFolder();
      const helper = join(folder, 'helper.sh');
      const seen = join(folder, 'asked');
      const accessToken = await running.token('repository:write');
      writeFileSync(
        helper,
        `#!/bin/sh\ncat >> ${seen}\n[ "$1" = get ] && printf 'username=x-token-auth\\npassword=%s\\n' ${accessToken}\n`,
      );
      chmodSync(helper, 0o700);
      const settings = ['-c', `credential.helper=${helper}`];
      const address = `${running.url}/acme/site.git`;
      const cloned = await git(folder, ...settings, 'clone', '--quiet', address, 'copy');
      expect(cloned.isOk, cloned.said).to.equal(true);
      expect(readFileSync(seen, 'utf8')).to.contain(`host=${new URL(running.url).host}`);

      const copy = join(folder, 'copy');
      await commitTo(copy, { 'helped.txt': 'helped\n' });
      const pushed = await git(copy, ...settings, 'push', '--quiet', 'origin', 'main');
      expect(pushed.isOk, pushed.said).to.equal(true);
    });

    it('again after a token that is wrong, and gives up', async () => {
      const wrong = [
        'wrong',
        `${(await running.token('repository')).slice(0, -1)}_`,
        running.consumer.clientSecret!,
      ];
      for (const password of wrong) {
        const { isOk, said } = await clone(remote(running.url, password));
        expect(isOk).to.equal(false);
        expect(said).to.match(/Authentication failed|could not read Password/);
      }
    });

    it('after a good token under another name: names are people', async () => {
      const accessToken = await running.token('repository');
      const address = remote(running.url, accessToken, 'acme/site', 'alice');
      const { isOk, said } = await clone(address);
      expect(isOk).to.equal(false);
      expect(said).to.match(/Authentication failed|could not read Password/);
    });
  });

  describe('stays out', () => {
    it('once the token is revoked', async () => {
      const accessToken = await running.token('repository');
      const address = remote(running.url, accessToken);
      expect((await clone(address)).isOk).to.equal(true);
      const revoked = await token(
        running,
        running.consumer,
        { token: accessToken },
        '/oauth2/revoke',
      );
      expect(revoked.status).to.equal(200);
      const { isOk, said } = await clone(address);
      expect(isOk).to.equal(false);
      expect(said).to.match(/Authentication failed|could not read Password/);
    });

    it('once the add-on is uninstalled', async () => {
      const {
        addon,
        installation,
        token: tokenOf,
      } = await installAddon(running, {
        descriptor: { key: 'leaver' },
      });
      const address = remote(running.url, await tokenOf());
      expect((await clone(address)).isOk).to.equal(true);
      await running.operator('DELETE', `/installations/${installation.id}`);
      expect((await clone(address)).isOk).to.equal(false);
      await addon.stop();
    });

    it('of a repository that the token is not limited to', async () => {
      const { addon, token: tokenOf } = await installAddon(running, {
        descriptor: { key: 'limited', scopes: ['repository:write'] },
        request: { resources: ['acme/docs'] },
      });
      const accessToken = await tokenOf();
      const { isOk, said } = await clone(remote(running.url, accessToken));
      expect(isOk).to.equal(false);
      expect(said).to.match(/error: 403/);
      const folder = await localRepository({ 'docs.md': 'Docs\n' });
      const refused = await push(folder, remote(running.url, accessToken));
      expect(refused.said).to.match(/error: 403/);
      const pushed = await push(folder, remote(running.url, accessToken, 'acme/docs'));
      expect(pushed.isOk, pushed.said).to.equal(true);
      await addon.stop();
    });

    it('of another workspace', async () => {
      const consumer = await registerConsumer(running, {
        owner: 'globex',
        scopes: ['repository:write'],
      });
      const { json } = await token(running, consumer, { grant_type: 'client_credentials' });
      for (const repository of ['acme/site', 'acme/docs', 'acme/nothing']) {
        const { isOk, said } = await clone(remote(running.url, json.access_token, repository));
        expect(isOk).to.equal(false);
        expect(said).to.match(/error: 403/);
      }
    });

    it('of a repository that is not there', async () => {
      const accessToken = await running.token('repository');
      const { isOk, said } = await clone(remote(running.url, accessToken, 'acme/nothing'));
      expect(isOk).to.equal(false);
      expect(said).to.match(/not found/);
    });
  });

  describe('of a user', () => {
    async function tokenOf(user: string): Promise<string> {
      const consumer = await registerConsumer(running);
      if (user === 'alice') return (await tokensOfAlice(running, consumer)).tokens.access_token;
      const browser = new Browser(running);
      await browser.signIn(user);
      const code = (await consent(browser, authorizePath(consumer))).get('code')!;
      const { json } = await token(running, consumer, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: CALLBACK,
      });
      return json.access_token;
    }

    it('who administers the workspace clones and pushes', async () => {
      const address = remote(running.url, await tokenOf('alice'));
      expect((await clone(address)).isOk).to.equal(true);
      const folder = await localRepository({ 'alice.txt': 'alice\n' });
      const { isOk, said } = await push(folder, address);
      expect(isOk, said).to.equal(true);
    });

    it('who does not belong to it clones what is public, and pushes nothing', async () => {
      const accessToken = await tokenOf('bob');
      const site = await clone(remote(running.url, accessToken));
      expect(site.isOk).to.equal(false);
      expect(site.said).to.match(/not found/);
      const docs = remote(running.url, accessToken, 'acme/docs');
      expect((await clone(docs)).isOk).to.equal(true);
      const folder = await localRepository({ 'bob.txt': 'bob\n' });
      const { isOk, said } = await push(folder, docs);
      expect(isOk).to.equal(false);
      expect(said).to.match(/error: 403/);
    });
  });
});
