// What may befall three hosts on one PostgreSQL, for the soak.
import { LEASE_MS, type Replicas } from './replicas.ts';
import { sleep } from './rig.ts';
import type { Fault } from './soak-fault.ts';

const HOUR = 3_600_000;

/** @param setsClocks of the machines that they run on */
export function replicaFaults(
  replicas: Replicas,
  random: () => number,
  setsClocks: boolean,
): Fault[] {
  const { rig } = replicas;
  const anyReplica = () => rig.replicas[Math.floor(random() * rig.replicas.length)]!;
  const faults: Fault[] = [
    ['kill -9', 8, async () => void (await replicas.kill(anyReplica()))],
    [
      'kill -9 of all',
      1,
      async () => {
        for (const replica of rig.replicas) await rig.kill({ replica });
        for (const replica of rig.replicas) await replica.start();
      },
    ],
    [
      'stopped and started in order',
      1,
      async () => {
        const replica = anyReplica();
        await replica.stop();
        await replica.start();
      },
    ],
    ['SIGSTOP', 2, async () => void (await replicas.stop(anyReplica(), random() * LEASE_MS * 3))],
    [
      'connections terminated',
      4,
      async () => {
        await rig.disturb('terminated', async () => void (await replicas.terminateConnections()));
      },
    ],
    ['PostgreSQL restarted', 1, () => replicas.restartPostgres('fast', random() * 2_000)],
    ['PostgreSQL crashed', 1, () => replicas.restartPostgres('crash', random() * 1_000)],
    ['nothing for a while', 3, () => sleep(random() * 3_000)],
  ];
  if (replicas.bouncer) {
    faults.push([
      'PgBouncer killed',
      2,
      async () => {
        await rig.disturb('PgBouncer', () => replicas.restartBouncer(random() * 1_000));
      },
    ]);
  }
  if (setsClocks) {
    faults.push(['a clock wrong', 2, () => anyReplica().setClock((random() * 2 - 1) * HOUR)]);
  }
  return faults;
}
