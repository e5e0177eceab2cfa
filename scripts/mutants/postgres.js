// What holds on PostgreSQL whatever clocks, connections and other people's transactions do.
const CLOCK = 'src/store/postgres/database-clock.ts';
const CLOCK_TEST = 'test/store/postgres-clock.test.ts';
const APART = 'test/faults/database-clock.test.ts';
const OF_MACHINES = 'of the machines';

const TIME = [
  {
    name: 'clock: the machine’s for a host',
    guards: 'replicas store times of one clock',
    file: 'src/create-host.ts',
    find: 'clock: options.clock ?? store.clock',
    replace: 'clock: options.clock ?? { now: () => Date.now() }',
    test: APART,
    grep: OF_MACHINES,
  },
  {
    name: 'clock: the machine’s for a thread that sends',
    guards: 'signatures say the database’s time',
    file: 'src/store/postgres/open-for-attempts.ts',
    find: 'new DatabaseClock(db)',
    replace: 'Object.assign(new DatabaseClock(db), { now: () => Date.now() })',
    test: APART,
    grep: OF_MACHINES,
  },
  {
    name: 'clock: steps with the machine’s',
    guards: 'a machine’s clock may be set',
    file: CLOCK,
    find: 'Math.floor(steady + this.#measured.offset)',
    replace: 'Math.floor(wall - this.#apart + this.#measured.offset)',
    test: CLOCK_TEST,
    grep: 'goes on by itself',
  },
  {
    name: 'clock: no look when the machine’s jumps',
    guards: 'the database’s may have been set with it',
    file: CLOCK,
    find: 'const JUMP_MS = 500;',
    replace: 'const JUMP_MS = Number.POSITIVE_INFINITY;',
    test: CLOCK_TEST,
    grep: 'goes on by itself',
  },
  {
    name: 'clock: measured once',
    guards: 'a database’s clock may be set',
    file: CLOCK,
    find: 'setInterval(() => this.#measureSoon()',
    replace: 'setInterval(() => undefined',
    test: CLOCK_TEST,
    grep: 'within seconds',
  },
  {
    name: 'clock: never believes another time',
    guards: 'a database’s clock may be set',
    file: CLOCK,
    find: '!known || isSet ||',
    replace: '!known ||',
    test: CLOCK_TEST,
    grep: 'within seconds',
  },
  {
    name: 'clock: believes a slow answer',
    guards: 'the answer that came quickest counts',
    file: CLOCK,
    find: 'measured.within <= within',
    replace: 'true',
    test: CLOCK_TEST,
    grep: 'not moved by a slow one',
  },
  {
    name: 'clock: asks only when started',
    guards: 'doors that are open before start() tell the database’s time soon',
    file: CLOCK,
    find: 'this.ready().catch(() => undefined);',
    replace: '',
    test: CLOCK_TEST,
    grep: 'asks it then',
  },
];

export const POSTGRES = [...TIME];
