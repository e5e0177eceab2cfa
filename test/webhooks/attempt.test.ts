// Seen red: with mayStart answering true whatever has changed, and with a drop whatever has not (attempt.ts).
import { expect } from 'chai';
import type { Outbound } from '../../src/core/outbound.ts';
import { attempt } from '../../src/webhooks/attempt.ts';
import { Payloads } from '../../src/webhooks/payloads.ts';
import { Recipients } from '../../src/webhooks/recipients.ts';
import { installAddon, PUSH } from '../helpers/installed-addon.ts';
import { startHost } from '../helpers/start-host.ts';

describe('an attempt whose installation changes while the connection is made', () => {
  it('sends nothing, looks at the gate again, and is dropped', async () => {
    const running = await startHost({ paused: true });
    const { addon, installation } = await installAddon(running);
    await running.operator('POST', '/events', PUSH);
    const { store, settings, box } = running.host.parts;
    const { platform, clock } = settings;
    const now = clock.now();
    const { owed } = await store.events.fanOut(10, now, 60_000);
    const asked: boolean[] = [];
    // The socket is there only after the operator has revoked.
    const outbound: Outbound = {
      async send(request) {
        await running.operator('PATCH', `/installations/${installation.id}`, { state: 'disabled' });
        asked.push(request.mayStart!());
        return asked.at(-1)
          ? {
              kind: 'answer',
              status: 204,
              headers: {},
              body: Buffer.alloc(0),
              isTruncated: false,
              durationMs: 1,
            }
          : { kind: 'withheld' };
      },
      close: async () => {},
    };
    const { record, refusal } = await attempt(
      { delivery: owed[0]!, isProbe: false, random: 0 },
      {
        gate: store.deliveries,
        recipients: new Recipients({ gate: store.deliveries, box, platform, onOrigin: () => {} }),
        payloads: new Payloads({ events: store.events, platform, onUndeclared: () => {} }),
        platform,
        outbound,
        clock,
      },
    );
    expect(asked).to.deep.equal([false]);
    expect([record.outcome, record.reason]).to.deep.equal(['dropped', 'disabled']);
    expect(refusal).to.include({ reason: 'disabled' });
    await running.stop();
    await addon.stop();
  });
});

describe('an attempt whose store cannot tell in time whether the installation has changed', () => {
  it('sends nothing, and is no attempt: it is made another time', async () => {
    const running = await startHost({ paused: true });
    const { addon } = await installAddon(running);
    await running.operator('POST', '/events', PUSH);
    const { store, settings, box, outbound } = running.host.parts;
    const { platform, clock } = settings;
    const { owed } = await store.events.fanOut(10, clock.now(), 60_000);
    const gate = { recipient: store.deliveries.recipient, isCurrent: () => false };
    const made = attempt(
      { delivery: owed[0]!, isProbe: false, random: 0 },
      {
        gate,
        recipients: new Recipients({ gate, box, platform, onOrigin: () => {} }),
        payloads: new Payloads({ events: store.events, platform, onUndeclared: () => {} }),
        platform,
        outbound,
        clock,
      },
    );
    const error = await made.then(
      ({ record }) => record,
      (thrown: unknown) => thrown,
    );
    expect(error).to.include({ code: 'gate_unsure' });
    expect(addon.to('/hook')).to.deep.equal([]);
    await running.stop();
    await addon.stop();
  });
});
