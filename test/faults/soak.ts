// npm run soak: one host under load and every fault that one process can have, in turn, for as long as you like. Ends
// with the ledger; 1 if it does not balance.
//
//   npm run soak -- --minutes 60 --seed 1
import { parseArgs } from 'node:util';
import { expectBalanced, now, Rig, sleep } from './rig.ts';
import { seededRandom } from './seeded-random.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    writers: { type: 'string', default: '4' },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(seed)) {
  console.error('usage: npm run soak -- [--minutes 10] [--seed NUMBER] [--writers 4]');
  process.exit(2);
}

const random = seededRandom(seed);
const KINDS = [
  { type: 'repo:push', context: 'acme', resource: 'acme/site' },
  { type: 'issue:created', context: 'acme', resource: 'acme/site' },
  { type: 'repo:push', context: 'acme' },
  { type: 'repo:push', context: 'other', resource: 'other/site' },
];
const ADDONS = [
  'everything',
  'pushes',
  'issues',
  'one-site',
  'elsewhere',
  'slow',
  'flaky',
] as const;

/** The faults, each as often as its weight. */
const faults: [name: string, weight: number, happen: (rig: Rig) => Promise<void>][] = [
  [
    'kill -9',
    10,
    async (rig) => {
      rig.prepareNext();
      await sleep(random() * 200);
      await rig.kill();
      await rig.start();
    },
  ],
  [
    'kill -9 while it starts',
    2,
    async (rig) => {
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
    async (rig) => {
      await rig.stopHost();
      await rig.start();
    },
  ],
  [
    'SIGSTOP',
    1,
    async (rig) => {
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
    async (rig) => {
      const unlock = rig.lock();
      const at = now();
      await sleep(random() * 15_000);
      unlock();
      // If it is killed next, before it has caught up, all of that is sent again.
      rig.disturbances.push({ what: 'locked', at, until: now() + 1_000 });
    },
  ],
  [
    'database locked, killed, unlocked',
    1,
    async (rig) => {
      const unlock = rig.lock();
      const lockedAt = now();
      await sleep(random() * 2_000);
      // What was answered since then could not be recorded.
      (await rig.kill()).at = lockedAt;
      unlock();
      await rig.start();
    },
  ],
  [
    'an endpoint hangs',
    1,
    async (rig) => {
      await rig.behave('pushes', { hold: true });
      await sleep(random() * 10_000);
      await rig.behave('pushes', {});
    },
  ],
  [
    'an endpoint is down',
    1,
    async (rig) => {
      await rig.behave('elsewhere', { status: 503 });
      await sleep(random() * 5_000);
      await rig.behave('elsewhere', {});
    },
  ],
  ['nothing for a while', 3, () => sleep(random() * 3_000)],
];

const drawn = faults.flatMap((fault) => Array.from({ length: fault[1] }, () => fault));

const rig = await Rig.open({ jitter: 0 });
await rig.start();
await rig.install('everything', { scopes: ['repository', 'issue'] });
await rig.install('pushes', { host: 2 });
await rig.install('issues', { scopes: ['issue'] });
await rig.install('one-site', { resources: ['acme/site'] });
await rig.install('elsewhere', { context: 'other', scopes: ['repository', 'issue'] });
await rig.install('slow');
await rig.install('flaky');
await rig.behave('slow', { delayMs: [5, 300] });
await rig.behave('flaky', { status: 503, share: 0.2 });
await rig.startPublisher({ kinds: KINDS, writers: Number(values.writers), pauseMs: 20 });

console.log(`seed ${seed}, ${minutes} minutes, on ${rig.folder}`);
const happened = new Map<string, number>();
const begun = now();
let said = begun;
while (now() - begun < minutes * 60_000) {
  const [name, , happen] = drawn[Math.floor(random() * drawn.length)]!;
  await happen(rig);
  happened.set(name, (happened.get(name) ?? 0) + 1);
  if (now() - said > 10_000) {
    said = now();
    const list = [...happened].map(([what, times]) => `${times} × ${what}`).join(', ');
    console.log(
      `${((now() - begun) / 60_000).toFixed(1)} min: ${await rig.total()} deliveries; ${list}`,
    );
  }
}
for (const addon of ADDONS) await rig.behave(addon, {});
const { published } = await rig.stopPublisher();
console.log(`${published} events published; waiting for what is owed`);
await rig.untilSettled(10 * 60_000);
const books = await rig.balance();
await rig.close();
console.log(
  `${books.duplicates.length} deliveries came twice, at most ${books.mostPerDisturbance} for one fault`,
);
try {
  expectBalanced(books);
  console.log('The ledger balances: none lost, none ungranted, nothing wrong.');
} catch (error) {
  console.error(`seed ${seed}: ${(error as Error).message}`);
  process.exit(1);
}
process.exit(0);
