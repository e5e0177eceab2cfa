// npm run soak: one host under load, on a file or on PostgreSQL, and every fault that one process can have, in turn, for as
// long as you like; or three on one PostgreSQL, on machines whose clocks go wrong if you like, or beside a transaction that
// is held open for all the time, without faults, and with a look at what the engine's statements take at the start and at
// the end. Ends with the ledger; 1 if it does not balance.
//
//   npm run soak -- --minutes 60 --seed 1 [--postgres | --replicas [--clocks | --pinned]]
import { parseArgs } from 'node:util';
import { createDatabase } from '../helpers/postgres-databases.ts';
import { startPostgres } from '../helpers/postgres-server.ts';
import { hostFaults } from './host-faults.ts';
import { isPgBouncerHere } from './pgbouncer.ts';
import { compareTimes, MOST_TIMES, pin, statementTimes } from './pinned.ts';
import { replicaFaults } from './replica-faults.ts';
import { LEASE_MS, Replicas } from './replicas.ts';
import { expectBalanced, now, Rig, sleep } from './rig.ts';
import { seededRandom } from './seeded-random.ts';
import type { Fault } from './soak-fault.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    writers: { type: 'string', default: '4' },
    postgres: { type: 'boolean', default: false },
    replicas: { type: 'boolean', default: false },
    clocks: { type: 'boolean', default: false },
    pinned: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isInteger(seed) || (values.pinned && !values.replicas)) {
  console.error(
    'usage: npm run soak -- [--minutes 10] [--seed NUMBER] [--writers 4] [--postgres | --replicas [--clocks | --pinned]]',
  );
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

async function oneHost(): Promise<Rig> {
  const database = server && (await createDatabase(server.url, 'template0'));
  const only = await Rig.open({ jitter: 0, leaseMs: LEASE_MS, database });
  await only.start();
  return only;
}

function faultsOf(): Fault[] {
  if (values.pinned) return [['nothing for a while', 1, () => sleep(1_000)]];
  return replicas ? replicaFaults(replicas, random, values.clocks) : hostFaults(rig, random);
}

const server =
  values.replicas || values.postgres ? await startPostgres({ isDurable: true }) : undefined;
const replicas =
  server && values.replicas
    ? await Replicas.start(server, { isPooled: isPgBouncerHere })
    : undefined;
const rig = replicas?.rig ?? (await oneHost());
const faults = faultsOf();
const drawn = faults.flatMap((fault) => Array.from({ length: fault[1] }, () => fault));
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
const unpin = values.pinned && replicas ? await pin(replicas.url) : undefined;
const times: Awaited<ReturnType<typeof statementTimes>>[] = [];
while (now() - begun < minutes * 60_000) {
  const [name, , happen] = drawn[Math.floor(random() * drawn.length)]!;
  await happen();
  happened.set(name, (happened.get(name) ?? 0) + 1);
  if (now() - said > 10_000) {
    said = now();
    if (unpin) times.push(await statementTimes(rig.replicas));
    const list = [...happened].map(([what, times]) => `${times} × ${what}`).join(', ');
    console.log(
      `${((now() - begun) / 60_000).toFixed(1)} min: ${await rig.total()} deliveries; ${list}`,
    );
  }
}
await unpin?.();
for (const addon of ADDONS) await rig.behave(addon, {});
const { published } = await rig.stopPublisher();
console.log(`${published} events published; waiting for what is owed`);
await rig.untilSettled(10 * 60_000);
const books = await rig.balance();
const deliveries = await rig.total();
await (replicas ?? rig).close();
await server?.stop();
const how = process.argv
  .slice(2)
  .filter((word) => /^--(postgres|replicas|clocks|pinned)$/.test(word));
const command = ['npm run soak', ...(how.length > 0 ? ['--', ...how] : [])].join(' ');
const counts = [minutes, seed, published, deliveries, books.duplicates.length];
const faultless = [books.lost.length + books.neverArrived.length, books.ungranted.length];
// A row of the table in docs/reliability.md.
console.log(`| ${[`\`${command}\``, ...counts, ...faultless].join(' | ')} |`);
console.log(
  `${books.duplicates.length} deliveries came twice, at most ${books.mostPerDisturbance} for one fault`,
);
try {
  if (times.length > 2) {
    const { lines, isFlat } = compareTimes(times);
    for (const line of lines) console.log(line);
    if (!isFlat) throw new Error(`A statement took more than ${MOST_TIMES} times as long.`);
  }
  expectBalanced(books);
  console.log('The ledger balances: none lost, none ungranted, nothing wrong.');
} catch (error) {
  console.error(`seed ${seed}: ${(error as Error).message}`);
  process.exit(1);
}
process.exit(0);
