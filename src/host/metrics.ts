// What an operator watches, as Prometheus takes it: counted in memory as it happens, a registry for each host. Labels
// have few values, and none of them is an id. A scrape reads no table.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { StoreObserver } from '../store/observer.ts';
import type { AttemptRecord } from '../store/rows.ts';
import type { EngineObserver } from '../webhooks/observer.ts';

/** How lanes stand at the moment of a scrape: in memory, those of installations that are owed something. */
export interface LaneCounts {
  standing: Record<'well' | 'untried' | 'troubled', number>;
  breakersOpen: number;
  paused: number;
  underWay: number;
  /** Buckets of the process's share. */
  buckets: number;
}

const ATTEMPT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];
/** Up to three days, for as long as a delivery is owed. */
const DELAY_SECONDS = [
  0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1_800, 7_200, 28_800, 86_400, 259_200,
];
const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1];
const COMMIT_WRITES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

export class Metrics implements EngineObserver, StoreObserver {
  readonly #registry = new Registry();
  readonly #published: Counter<'type'>;
  readonly #deliveries: Counter<'outcome' | 'reason'>;
  readonly #requests: Counter<'door' | 'status'>;
  readonly #tokenChecks: Record<'accepted' | 'refused', Counter.Internal>;
  readonly #durations: Record<
    Exclude<AttemptRecord['outcome'], 'dropped'>,
    Histogram.Internal<'outcome'>
  >;
  readonly #delays: Record<'first_attempt' | 'delivered', Histogram.Internal<'until'>>;
  readonly #commitSeconds: Histogram;
  readonly #syncSeconds: Histogram;
  readonly #commitWrites: Histogram;
  #owed = 0;
  #lanes: (() => LaneCounts) | undefined;
  #hasDefaults = false;

  constructor() {
    this.#published = this.#counter(
      'mortise_events_published_total',
      'Events accepted; those in a transaction of the product count when they are written.',
      ['type'],
    );
    this.#deliveries = this.#counter(
      'mortise_deliveries_total',
      'Deliveries that ended, by outcome (delivered, failed, dropped) and the class of the reason.',
      ['outcome', 'reason'],
    );
    const durations = this.#histogram(
      'mortise_delivery_attempt_duration_seconds',
      'One HTTP try, from asking for a connection to the end of the answer.',
      ATTEMPT_SECONDS,
      ['outcome'],
    );
    this.#durations = {
      delivered: durations.labels('delivered'),
      failed: durations.labels('failed'),
      retry: durations.labels('retry'),
    };
    const delays = this.#histogram(
      'mortise_delivery_delay_seconds',
      'From publishing an event to the start of the first attempt, and to its delivery.',
      DELAY_SECONDS,
      ['until'],
    );
    this.#delays = {
      first_attempt: delays.labels('first_attempt'),
      delivered: delays.labels('delivered'),
    };
    this.#requests = this.#counter('mortise_http_requests_total', 'Requests answered, by door.', [
      'door',
      'status',
    ]);
    const checks = this.#counter(
      'mortise_token_checks_total',
      'Access tokens, Connect JWTs and OAuth 1 signatures that were looked at.',
      ['result'],
    );
    this.#tokenChecks = { accepted: checks.labels('accepted'), refused: checks.labels('refused') };
    this.#commitSeconds = this.#histogram(
      'mortise_store_commit_seconds',
      'How long a transaction took, with the log it wrote.',
      COMMIT_SECONDS,
    );
    this.#syncSeconds = this.#histogram(
      'mortise_store_sync_seconds',
      'How long the disk took to have what was committed.',
      COMMIT_SECONDS,
    );
    this.#commitWrites = this.#histogram(
      'mortise_store_commit_writes',
      'How many writes shared a commit.',
      COMMIT_WRITES,
    );
    this.#engineGauges();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    // They watch the garbage collector and the event loop from here on: not in a process that nobody asks.
    if (!this.#hasDefaults) collectDefaultMetrics({ register: this.#registry });
    this.#hasDefaults = true;
    return this.#registry.metrics();
  }

  /** This process sends from now on; what is owed in its share it hears from the store. */
  engineStarted(lanes: () => LaneCounts): void {
    this.#owed = 0;
    this.#lanes = lanes;
  }

  engineStopped(): void {
    this.#owed = 0;
    this.#lanes = undefined;
  }

  published(type: string): void {
    this.#published.inc({ type });
  }

  answered(door: string, status: number): void {
    this.#requests.inc({ door, status: `${Math.floor(status / 100)}xx` });
  }

  tokenChecked(result: 'accepted' | 'refused'): void {
    this.#tokenChecks[result].inc();
  }

  committed(ms: number, writes: number): void {
    this.#commitSeconds.observe(ms / 1_000);
    this.#commitWrites.observe(writes);
  }

  synced(ms: number): void {
    this.#syncSeconds.observe(ms / 1_000);
  }

  owed(count: number): void {
    this.#owed += count;
  }

  attempted({ record }: { record: AttemptRecord }): void {
    const { outcome, number, at, durationMs, delivery } = record;
    if (outcome === 'dropped') return;
    this.#durations[outcome].observe(durationMs / 1_000);
    // A replay begins with the replay, not with the event.
    if (delivery.replayId !== null) return;
    const waited = Math.max(0, at - delivery.eventAt) / 1_000;
    if (number === 1) this.#delays.first_attempt.observe(waited);
    if (outcome === 'delivered') this.#delays.delivered.observe(waited + durationMs / 1_000);
  }

  ended(count: number, outcome: string, reason: string | null): void {
    this.#owed -= count;
    this.#deliveries.inc({ outcome, reason: classOf(reason) }, count);
  }

  /** What stands in memory, read when somebody asks. 0 in a process that does not run the engine. */
  #engineGauges(): void {
    this.#gauge('mortise_engine_running', 'Whether this process runs the engine.', () =>
      this.#lanes ? 1 : 0,
    );
    this.#gauge('mortise_owed', 'Deliveries that are owed by this process.', () => this.#owed);
    const fromLanes = (read: (lanes: LaneCounts) => number) => () =>
      this.#lanes ? read(this.#lanes()) : 0;
    this.#gauge(
      'mortise_buckets',
      'Of 256 parts of all installations, those to which this process sends.',
      fromLanes(({ buckets }) => buckets),
    );
    this.#gauge(
      'mortise_attempts_in_flight',
      'Attempts under way.',
      fromLanes(({ underWay }) => underWay),
    );
    this.#gauge(
      'mortise_breakers_open',
      'Installations that are owed something and whose breaker is open.',
      fromLanes(({ breakersOpen }) => breakersOpen),
    );
    this.#gauge(
      'mortise_installations_paused',
      'Installations that are owed something and whose webhooks are paused.',
      fromLanes(({ paused }) => paused),
    );
    const lanes = () => this.#lanes?.().standing ?? { well: 0, untried: 0, troubled: 0 };
    new Gauge({
      name: 'mortise_lanes',
      help: 'Installations that are owed something, by how their endpoint fares.',
      labelNames: ['standing'],
      registers: [this.#registry],
      collect() {
        for (const [standing, count] of Object.entries(lanes())) this.set({ standing }, count);
      },
    });
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram<L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: L[] = [],
  ): Histogram<L> {
    return new Histogram({ name, help, buckets, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }
}

/** `status_503` is `status_5xx`; every other code stands for itself: there are some forty. */
function classOf(reason: string | null): string {
  return reason === null ? '' : reason.replace(/^(status_\d)\d\d$/, '$1xx');
}
