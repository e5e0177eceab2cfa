// Which secret an add-on is sent, and which one signs, after handshakes that failed. Seen red: with the candidate kept
// over a change of origin; without the second signer; without it for calls that are owed.
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { answer, type FakeAddon, fakeAddon, type ReceivedCall } from '../helpers/fake-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

describe('after a handshake that failed', () => {
  let running: RunningHost;
  let addon: FakeAddon;

  beforeEach(async () => {
    running = await startHost();
    addon = await fakeAddon();
  });
  afterEach(async () => {
    await running.stop();
    await addon.stop();
  });

  const install = (from: FakeAddon, more = {}) =>
    running.operator('POST', '/installations', {
      descriptorUrl: from.descriptorUrl,
      context: 'acme',
      ...more,
    });
  const isSignedWith = (call: ReceivedCall, secret: string) => {
    try {
      jwt.verify(call.headers.authorization!.replace(/^JWT /, ''), secret, {
        algorithms: ['HS256'],
      });
      return true;
    } catch {
      return false;
    }
  };

  it('the next one sends the same secret', async () => {
    addon.respond = answer(500);
    expect((await install(addon)).status).to.equal(502);
    addon.respond = answer(204);
    expect((await install(addon)).status).to.equal(201);
    const [first, second] = addon.to('/installed');
    expect(second!.json.sharedSecret).to.equal(first!.json.sharedSecret);
    expect(second!.json.webhookSecret).to.equal(first!.json.webhookSecret);
    expect(second!.json.oauthClientSecret).not.to.equal(first!.json.oauthClientSecret);
  });

  it('another origin with the same key is never sent the secret the first one knows', async () => {
    addon.respond = answer(500);
    await install(addon);
    const other = await fakeAddon({ key: 'fake-addon' });
    expect((await install(other)).status).to.equal(201);
    expect(other.to('/installed')[0]!.json.sharedSecret).not.to.equal(
      addon.to('/installed')[0]!.json.sharedSecret,
    );
    await other.stop();
  });

  it('an add-on that stored the new secret and then moved is asked with that one too', async () => {
    await install(addon);
    addon.respond = answer(500);
    await install(addon);
    const stored = addon.to('/installed')[1]!.json.sharedSecret;
    const moved = await fakeAddon({ key: 'fake-addon' });
    moved.respond = (call, response) =>
      response.writeHead(isSignedWith(call, stored) ? 204 : 401).end();
    expect((await install(moved)).json.code).to.equal('addon_key_taken');
    const { status, json } = await install(moved, { acceptNewOrigin: true });
    expect(status).to.equal(201);
    expect(json.exchanges.map((e: { status: number }) => e.status)).to.deep.equal([401, 204]);
    await moved.stop();
  });

  it('the goodbye reaches an add-on that knows only the new secret', async () => {
    await install(addon);
    addon.respond = answer(500);
    await install(addon);
    const stored = addon.to('/installed')[1]!.json.sharedSecret;
    addon.respond = (call, response) =>
      response.writeHead(isSignedWith(call, stored) ? 204 : 401).end();
    const { items } = (await running.operator('GET', '/installations')).json;
    await running.operator('DELETE', `/installations/${items[0].id}`);
    await addon.waitFor('/uninstalled', 2);
    expect(addon.to('/uninstalled').map((call) => isSignedWith(call, stored))).to.deep.equal([
      false,
      true,
    ]);
  });

  it('a 401 to a secret that was never sent is not asked again', async () => {
    await install(addon);
    addon.respond = answer(401);
    const { status } = await install(addon);
    expect(status).to.equal(502);
    expect(addon.to('/installed')).to.have.length(2);
  });

  it('credentials work during the call and die with it', async () => {
    const seen: number[] = [];
    let bearer = '';
    const { oauthClientId, oauthClientSecret } = await new Promise<Record<string, string>>(
      (resolve) => {
        addon.respond = async (call, response) => {
          const { oauthClientId: id, oauthClientSecret: secret } = call.json;
          const token = await running.request('POST', '/oauth2/token', {
            body: new URLSearchParams({
              grant_type: 'client_credentials',
              client_id: id,
              client_secret: secret,
            }),
          });
          bearer = token.json.access_token;
          const me = await running.request('GET', '/addon/v1/installation', {
            headers: { authorization: `Bearer ${bearer}` },
          });
          seen.push(token.status, me.status);
          response.writeHead(500).end();
          resolve(call.json);
        };
        void install(addon);
      },
    );
    expect(seen).to.deep.equal([200, 200]);
    const dead = async () => {
      const me = await running.request('GET', '/addon/v1/installation', {
        headers: { authorization: `Bearer ${bearer}` },
      });
      const token = await running.request('POST', '/oauth2/token', {
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_id: oauthClientId!,
          client_secret: oauthClientSecret!,
        }),
      });
      return [me.status, token.status];
    };
    let statuses = await dead();
    for (let i = 0; i < 50 && statuses[0] === 200; i++) statuses = await dead();
    expect(statuses).to.deep.equal([401, 401]);
  });
});
