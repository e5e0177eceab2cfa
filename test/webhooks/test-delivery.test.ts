// Seen red: with mayStart answering true whatever has changed (host/test-delivery.ts).
import { expect } from 'chai';
import type { Outbound } from '../../src/core/outbound.ts';
import { testWebhooks } from '../../src/host/test-delivery.ts';
import { installAddon } from '../helpers/installed-addon.ts';
import { startHost } from '../helpers/start-host.ts';

describe('a test delivery whose installation changes while the connection is made', () => {
  it('is not sent', async () => {
    const running = await startHost();
    const { addon, installation } = await installAddon(running);
    const { parts } = running.host;
    const outbound: Outbound = {
      ...parts.outbound,
      async send(request) {
        await running.operator('PATCH', `/installations/${installation.id}`, { scopes: [] });
        return parts.outbound.send(request);
      },
    };
    const refused = await testWebhooks(installation.id, {}, { ...parts, outbound }).catch((e) => e);
    expect(refused).to.include({ code: 'installation_changing', status: 409 });
    expect(addon.to('/hook')).to.deep.equal([]);
    await running.stop();
    await addon.stop();
  });
});
