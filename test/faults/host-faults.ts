// What may befall one host on its database, for the soak.
import { now, type Rig, sleep } from './rig.ts';
import type { Fault } from './soak-fault.ts';

export function hostFaults(rig: Rig, random: () => number): Fault[] {
  return [
    [
      'kill -9',
      10,
      async () => {
        rig.prepareNext();
        await sleep(random() * 200);
        await rig.kill();
        await rig.start();
      },
    ],
    [
      'kill -9 while it starts',
      2,
      async () => {
        await rig.kill();
        const starting = rig.start();
        starting.catch(() => undefined);
        await sleep(random() * 200);
        await rig.kill();
        await rig.start();
      },
    ],
    [
      'stopped and started in order',
      1,
      async () => {
        await rig.stopHost();
        await rig.start();
      },
    ],
    [
      'SIGSTOP',
      1,
      async () => {
        const at = now();
        rig.host.process.kill('SIGSTOP');
        await sleep(random() * 20_000);
        rig.host.process.kill('SIGCONT');
        rig.disturbances.push({ what: 'stop', at, until: now() + 1_000 });
      },
    ],
    [
      'database locked',
      2,
      async () => {
        const unlock = await rig.lock();
        const at = now();
        await sleep(random() * 15_000);
        await unlock();
        // If it is killed next, before it has caught up, all of that is sent again.
        rig.disturbances.push({ what: 'locked', at, until: now() + 1_000 });
      },
    ],
    [
      'database locked, killed, unlocked',
      1,
      async () => {
        const unlock = await rig.lock();
        const lockedAt = now();
        await sleep(random() * 2_000);
        // What was answered since then could not be recorded.
        (await rig.kill()).at = lockedAt;
        await unlock();
        await rig.start();
      },
    ],
    [
      'an endpoint hangs',
      1,
      async () => {
        await rig.behave('pushes', { hold: true });
        await sleep(random() * 10_000);
        await rig.behave('pushes', {});
      },
    ],
    [
      'an endpoint is down',
      1,
      async () => {
        await rig.behave('elsewhere', { status: 503 });
        await sleep(random() * 5_000);
        await rig.behave('elsewhere', {});
      },
    ],
    ['nothing for a while', 3, () => sleep(random() * 3_000)],
  ];
}
