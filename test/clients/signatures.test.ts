import { createHash, createPublicKey } from 'node:crypto';
import { verify as verifyHub } from '@octokit/webhooks-methods';
import {
  AsymmetricAlgorithm,
  createQueryStringHash,
  decodeAsymmetric,
  decodeSymmetric,
  fromMethodAndUrl,
  getAlgorithm,
  getKeyId,
  SymmetricAlgorithm,
} from 'atlassian-jwt';
import { expect } from 'chai';
import { Webhook } from 'standardwebhooks';
import { type FakeAddon, fakeAddon, type ReceivedCall } from '../helpers/fake-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { install, publish, uninstall } from './operator-steps.ts';

const { HS256 } = SymmetricAlgorithm;
const { RS256 } = AsymmetricAlgorithm;
const HOOK = '/hooks/in?b=2&a=x%20y&b=1';

describe('signatures, as other libraries read them', () => {
  let host: RunningHost;
  let addon: FakeAddon;

  beforeEach(async () => {
    host = await startHost();
    addon = await fakeAddon({
      lifecycle: { installed: '/installed', uninstalled: '/uninstalled', enabled: '/enabled' },
      modules: { webhooks: [{ event: 'repo:push', url: HOOK }] },
    });
  });
  afterEach(async () => {
    await host.stop();
    await addon.stop();
  });

  async function deliver(): Promise<ReceivedCall> {
    const before = addon.to('/hooks/in').length;
    await publish(host);
    return addon.waitFor('/hooks/in', before + 1);
  }

  describe('a webhook', () => {
    let secrets: { sharedSecret: string; webhookSecret: string; clientKey: string };
    let hook: ReceivedCall;

    beforeEach(async () => {
      await install(host, addon.descriptorUrl);
      secrets = addon.to('/installed')[0]!.json;
      hook = await deliver();
    });

    it('holds for standardwebhooks, with the webhookSecret as it was told', () => {
      const webhook = new Webhook(secrets.webhookSecret);
      expect(secrets.webhookSecret).to.match(/^whsec_/);
      expect(webhook.verify(hook.body, headersOf(hook))).to.deep.equal(hook.json);
      expect(hook.json.event).to.equal('repo:push');
    });

    it('does not hold for standardwebhooks with one byte changed, or another secret', () => {
      const webhook = new Webhook(secrets.webhookSecret);
      const other = new Webhook(Buffer.alloc(32, 1).toString('base64'));
      expect(() => webhook.verify(changed(hook.body), headersOf(hook))).to.throw(/No matching/);
      expect(() => other.verify(hook.body, headersOf(hook))).to.throw(/No matching/);
    });

    it('names the delivery in webhook-id, and the time in seconds', async () => {
      const { json } = await host.operator('GET', `/deliveries/${hook.headers['webhook-id']}`);
      expect(json).to.include({ id: hook.headers['webhook-id'], eventType: 'repo:push' });
      expect(Number(hook.headers['webhook-timestamp'])).to.be.closeTo(Date.now() / 1000, 10);
    });

    for (const header of ['x-hub-signature-256', 'x-hub-signature']) {
      it(`holds for @octokit/webhooks-methods in ${header}, with the secret's text`, async () => {
        const signature = hook.headers[header] as string;
        const check = (body: Buffer) =>
          verifyHub(secrets.webhookSecret, body.toString('utf8'), signature);
        expect(await check(hook.body)).to.equal(true);
        expect(await check(changed(hook.body))).to.equal(false);
      });
    }

    it('holds for atlassian-jwt: who, for whom, which request, how long', () => {
      const token = tokenOf(hook);
      const claims = decodeSymmetric(token, secrets.sharedSecret, HS256);
      expect(claims.iss).to.equal(secrets.clientKey);
      expect(claims.qsh).to.equal(hashOf(hook, addon.url));
      expectFresh(claims);
      // atlassian-jwt makes an array of a string; Python add-ons and older ones do not.
      expect(asSent(token).aud).to.deep.equal([secrets.clientKey]);
    });

    it('does not hold for atlassian-jwt with any other of the secrets', () => {
      const told = addon.to('/installed')[0]!.json;
      for (const secret of [told.webhookSecret, told.oauthClientSecret, '']) {
        expect(() => decodeSymmetric(tokenOf(hook), secret, HS256)).to.throw();
      }
    });

    it('carries no install signature, which only lifecycle calls do', () => {
      expect(hook.headers).not.to.have.property('mortise-install-signature');
    });

    it('is hashed below the path of baseUrl', async () => {
      addon.descriptor.baseUrl = `${addon.url}/bitbucket/`;
      addon.descriptor.modules = { webhooks: [{ event: 'repo:push', url: 'hooks/in' }] };
      await install(host, addon.descriptorUrl);
      const { sharedSecret } = addon.to('/bitbucket/installed')[0]!.json;
      await publish(host);
      const below = await addon.waitFor('/bitbucket/hooks/in');
      const { qsh } = decodeSymmetric(tokenOf(below), sharedSecret, HS256);
      expect(qsh).to.equal(
        createHash('sha256').update('POST&/hooks/in&').digest('hex'),
        'the hash a reader of the Connect documentation computes',
      );
    });
  });

  describe('a lifecycle call', () => {
    it('of the first install is signed with the secret it tells', async () => {
      await install(host, addon.descriptorUrl);
      const [call] = addon.to('/installed');
      const { sharedSecret, clientKey } = call!.json;
      const claims = decodeSymmetric(tokenOf(call!), sharedSecret, HS256);
      expect(claims.iss).to.equal(clientKey);
      expect(asSent(tokenOf(call!)).aud).to.deep.equal([clientKey]);
      expectBound(claims, call!);
    });

    it('of the second install is signed with the secret of the first', async () => {
      await install(host, addon.descriptorUrl);
      await install(host, addon.descriptorUrl);
      const [first, second] = addon.to('/installed');
      expect(second!.json.sharedSecret).not.to.equal(first!.json.sharedSecret);
      expectBound(decodeSymmetric(tokenOf(second!), first!.json.sharedSecret, HS256), second!);
      expect(() => decodeSymmetric(tokenOf(second!), second!.json.sharedSecret, HS256)).to.throw();
    });

    it('that comes later is signed with the secret last acknowledged', async () => {
      await install(host, addon.descriptorUrl);
      const { json } = await install(host, addon.descriptorUrl);
      const { sharedSecret } = addon.to('/installed')[1]!.json;
      await uninstall(host, json.id);
      const goodbye = await addon.waitFor('/uninstalled');
      const enabled = addon.to('/enabled').at(-1)!;
      for (const call of [enabled, goodbye]) {
        expectBound(decodeSymmetric(tokenOf(call), sharedSecret, HS256), call);
        expect(call.json).not.to.have.property('sharedSecret');
      }
      expect([enabled.json.eventType, goodbye.json.eventType]).to.deep.equal([
        'enabled',
        'uninstalled',
      ]);
    });

    it('has an install signature that holds with the PEM at /install-keys/{kid} and with the JWK Set', async () => {
      const { json } = await install(host, addon.descriptorUrl);
      await addon.waitFor('/enabled');
      await uninstall(host, json.id);
      await addon.waitFor('/uninstalled');
      expect(addon.calls.map(({ url }) => url)).to.deep.equal([
        '/installed',
        '/enabled',
        '/uninstalled',
      ]);
      for (const call of addon.calls) {
        const token = call.headers['mortise-install-signature'] as string;
        await expectInstallSignature(token, call);
      }
    });
  });

  describe('for a descriptor with apiMigrations.signed-install', () => {
    beforeEach(() => {
      addon.descriptor.apiMigrations = { 'signed-install': true };
    });

    it('installed and uninstalled are RS256, the second install too', async () => {
      await install(host, addon.descriptorUrl);
      const { json } = await install(host, addon.descriptorUrl);
      await uninstall(host, json.id);
      await addon.waitFor('/uninstalled');
      for (const call of [...addon.to('/installed'), ...addon.to('/uninstalled')]) {
        const token = tokenOf(call);
        await expectInstallSignature(token, call);
        await expectInstallSignature(call.headers['mortise-install-signature'] as string, call);
      }
    });

    it('every other call is HS256 with the secret installed told', async () => {
      await install(host, addon.descriptorUrl);
      const { sharedSecret } = addon.to('/installed')[0]!.json;
      const enabled = await addon.waitFor('/enabled');
      expectBound(decodeSymmetric(tokenOf(enabled), sharedSecret, HS256), enabled);
      const hook = await deliver();
      const claims = decodeSymmetric(tokenOf(hook), sharedSecret, HS256);
      expect(claims.qsh).to.equal(hashOf(hook, addon.url));
    });

    it('aud is the baseUrl, character for character', async () => {
      addon.descriptor.baseUrl = `${addon.url}/bitbucket`;
      await install(host, addon.descriptorUrl);
      const [call] = addon.to('/bitbucket/installed');
      expect(asSent(tokenOf(call!)).aud).to.deep.equal([`${addon.url}/bitbucket`]);
      const canonical = createHash('sha256').update('POST&/installed&').digest('hex');
      expect(asSent(tokenOf(call!)).qsh).to.equal(canonical);
    });
  });

  /** RS256, by a key the host serves in both forms, for this add-on and just this call. */
  async function expectInstallSignature(token: string, call: ReceivedCall): Promise<void> {
    expect(getAlgorithm(token)).to.equal('RS256');
    const kid = getKeyId(token);
    const pem = await host.request('GET', `/install-keys/${kid}`);
    expect(pem.status).to.equal(200);
    expect(pem.text).to.match(/^-----BEGIN PUBLIC KEY-----\n/);
    const { keys } = (await host.request('GET', '/.well-known/jwks.json')).json;
    const jwk = keys.find((key: { kid: string }) => key.kid === kid);
    expect(jwk).to.include({ kty: 'RSA', alg: 'RS256', use: 'sig' });
    expect(jwk).to.have.all.keys('kty', 'n', 'e', 'kid', 'use', 'alg');
    const fromJwk = createPublicKey({ key: jwk, format: 'jwk' });

    const claims = decodeAsymmetric(token, pem.text, RS256);
    const again = fromJwk.export({ type: 'spki', format: 'pem' }) as string;
    expect(decodeAsymmetric(token, again, RS256)).to.deep.equal(claims);
    expect(claims.iss).to.equal(call.json.clientKey);
    expect(asSent(token).aud).to.deep.equal([addon.descriptor.baseUrl]);
    expectBound(claims, call);
  }

  function expectBound(claims: Record<string, unknown>, call: ReceivedCall): void {
    expect(claims.qsh).to.equal(hashOf(call, addon.url));
    expect(claims.bodySha256).to.equal(createHash('sha256').update(call.body).digest('hex'));
    expectFresh(claims);
  }
});

function expectFresh({ iat, exp }: Record<string, unknown>): void {
  expect(iat).to.be.closeTo(Date.now() / 1000, 10);
  expect((exp as number) - (iat as number)).to.equal(180);
}

function hashOf({ method, url }: ReceivedCall, baseUrl: string): string {
  return createQueryStringHash(fromMethodAndUrl(method, url), false, baseUrl);
}

function tokenOf({ headers }: ReceivedCall): string {
  const [scheme, token] = headers.authorization!.split(' ');
  expect(scheme).to.equal('JWT');
  return token!;
}

/** The claims as they are on the wire. */
function asSent(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString('utf8'));
}

function headersOf({ headers }: ReceivedCall): Record<string, string> {
  return headers as Record<string, string>;
}

/** The same but for one bit of one byte, and still JSON. */
function changed(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  const digit = copy.indexOf('acme');
  copy[digit]! ^= 1;
  return copy;
}
