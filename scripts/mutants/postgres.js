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

const STARTS_TEST = 'test/store/postgres-starts.test.ts';

const STARTS = [
  {
    name: 'outbox: begins behind numbers that are not committed yet',
    guards: 'no event is passed over',
    file: 'src/store/postgres/outbox-start.ts',
    find: 'this.#unsettled && BigInt(oldest) >= this.#unsettled.xid',
    replace: 'this.#unsettled',
    test: STARTS_TEST,
    grep: 'committed late',
  },
  {
    name: 'outbox: a number before the transaction has its id',
    guards: 'no event is passed over',
    file: 'src/store/postgres/publish.ts',
    find: "CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('mortise.event_numbers') END",
    replace: "nextval('mortise.event_numbers')",
    test: STARTS_TEST,
    grep: 'has written nothing yet',
  },
  {
    name: 'outbox and lanes: not forgotten',
    guards: 'what a crash brings back is found',
    file: 'src/store/postgres/share.ts',
    find: '  starts.forget();\n  own.join(replica, lifetime);',
    replace: '  own.join(replica, lifetime);',
    test: STARTS_TEST,
    grep: 'the beginning again',
  },
  {
    name: 'lane: without a margin',
    guards: 'what is committed late is found',
    file: 'src/store/postgres/lane-starts.ts',
    find: 'const MARGIN_MS = 5_000;',
    replace: 'const MARGIN_MS = 0;',
    test: STARTS_TEST,
    grep: 'committed late is found',
  },
  {
    name: 'lane: begins at what may be sent',
    guards: 'events of one order are all found',
    file: 'src/store/postgres/deliveries.ts',
    find: 'const firstDueAt = others!.first ?? undefined;',
    replace: 'const firstDueAt = due[0]?.dueAt;',
    test: STARTS_TEST,
    grep: 'another of its order',
  },
  {
    name: 'lane: let go without a look at all',
    guards: 'what was passed over is found in the end',
    file: 'src/store/postgres/deliveries.ts',
    find: 'wholeIn === undefined ? null : now + wholeIn',
    replace: 'null',
    test: STARTS_TEST,
    grep: 'once in a while',
  },
  {
    name: 'lane: handed what it has read',
    guards: 'nothing is sent twice without a fault',
    file: 'src/webhooks/lane.ts',
    find: 'this.isRefilling || this.#refilledAt >= since',
    replace: 'false',
    test: 'test/webhooks/fairness.test.ts',
    grep: 'before it was handed',
  },
  {
    name: 'lane: let go while a fan-out is under way',
    guards: 'nothing is sent twice without a fault',
    file: 'src/webhooks/lanes.ts',
    find: 'if (this.#isPassUnderWay) this.#emptied.add(lane);',
    replace: 'if (false) this.#emptied.add(lane);',
    test: 'test/flows/fan-out-unheard.test.ts',
  },
];

const PINNED_TEST = 'test/faults/pinned.test.ts';

const PINNED = [
  {
    name: 'pinned: fan-out from the beginning',
    guards: 'a transaction that is held open slows nothing down',
    file: 'src/store/postgres/fan-out.ts',
    find: 'from: outbox.seq, limit }',
    replace: 'from: 0, limit }',
    test: PINNED_TEST,
  },
  {
    name: 'pinned: the outbox is looked at from the beginning',
    guards: 'a transaction that is held open slows nothing down',
    file: 'src/store/postgres/share.ts',
    find: 'look(db, open, starts.outbox.seq)',
    replace: 'look(db, open, 0)',
    test: PINNED_TEST,
  },
  {
    name: 'pinned: lanes from the beginning',
    guards: 'a transaction that is held open slows nothing down',
    file: 'src/store/postgres/deliveries.ts',
    find: 'const from = starts.of(installationId);',
    replace: 'const from = starts.of(installationId) && undefined;',
    test: PINNED_TEST,
  },
];

const PUBLISHES = [
  {
    name: 'held tables: each publish waits for ever',
    guards: 'one connection at most is left behind while a table is held',
    file: 'src/store/postgres/events.ts',
    find: 'mayBeHeldUp = true;',
    replace: '',
    test: 'test/store/postgres-publish.test.ts',
    grep: 'while somebody holds the table',
  },
];

export const POSTGRES = [...TIME, ...RECORDS, ...GATES, ...STARTS, ...PINNED, ...PUBLISHES];
