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
    edits: [
      {
        file: CLOCK,
        find: 'const asked = performance.now();',
        replace: 'const asked = Date.now();',
      },
      { file: CLOCK, find: 'const at = performance.now();', replace: 'const at = Date.now();' },
      { file: CLOCK, find: 'Math.floor(steady +', replace: 'Math.floor(wall +' },
    ],
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

const RECORD = 'src/store/postgres/record.ts';
const RECORD_TEST = 'test/store/postgres-record.test.ts';

const RECORDS = [
  {
    name: 'record: repeated unseen',
    guards: 'an attempt whose COMMIT was not heard of is in the log once',
    file: 'src/webhooks/recorder.ts',
    find: ', isRepeated: this.isFailing',
    replace: '',
    test: RECORD_TEST,
    grep: 'by the engine',
  },
  {
    name: 'record: does not wait for who still writes it',
    guards: 'an attempt whose COMMIT was not heard of is in the log once',
    file: RECORD,
    find: 'ORDER BY id FOR UPDATE',
    replace: 'ORDER BY id',
    test: RECORD_TEST,
    grep: 'waits for one that is still under way',
  },
  {
    name: 'record: two probes taken for one',
    guards: 'every attempt is in the log',
    file: RECORD,
    find: 'AND a.number = m.number AND a.at = m.at',
    replace: 'AND a.number = m.number',
    test: RECORD_TEST,
    grep: 'in the log once',
  },
  {
    name: 'record: always looks',
    guards: 'an attempt costs no look at the log',
    file: 'src/store/postgres/deliveries.ts',
    find: 'isRepeated ? await findRecorded(tx, attempts) : NONE',
    replace: 'true ? await findRecorded(tx, attempts) : NONE',
    test: RECORD_TEST,
    grep: 'others cost nothing more',
  },
  {
    name: 'record: a call owed twice',
    guards: 'what tells an add-on does not keep attempts from being recorded',
    file: 'src/store/postgres/lifecycle.ts',
    find: ' ON CONFLICT (id) DO NOTHING',
    replace: '',
    test: RECORD_TEST,
    grep: 'in the log once',
  },
];

const GATES = [
  {
    name: 'gate: a new server is trusted to know all',
    guards: 'nothing is sent after the answer to a revocation, whichever server gave it',
    file: 'src/store/postgres/gate-changes.ts',
    find: 'l.since IS NULL OR l.since >',
    replace: 'false AND l.since >',
    test: 'test/store/postgres-gate.test.ts',
    grep: 'a new server does not know',
  },
];

export const POSTGRES = [...TIME, ...RECORDS, ...GATES];
