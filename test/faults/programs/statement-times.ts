// How long the host's own statements take, as it sees them: what the engine asks PostgreSQL again and again.
import pg from 'pg';

export type StatementKind = 'window' | 'fan-out' | 'record' | 'look';

const KINDS: [StatementKind, RegExp][] = [
  ['window', /FROM mortise\.deliveries d\s+WHERE [^;]*ORDER BY d\.due_at, d\.event_seq LIMIT/],
  ['fan-out', /SELECT \* FROM mortise\.outbox\s+WHERE/],
  ['record', /^WITH made AS/],
  ['look', /AS "hasWork"/],
];

let taken: [StatementKind, number][] = [];

export function timeStatements(): void {
  const query = pg.Client.prototype.query as (...asked: unknown[]) => unknown;
  pg.Client.prototype.query = function timed(this: pg.Client, ...asked: unknown[]) {
    const text = (asked[0] as { text?: string }).text ?? '';
    const kind = KINDS.find(([, pattern]) => pattern.test(text))?.[0];
    if (!kind) return query.apply(this, asked);
    const began = performance.now();
    const end = () => void taken.push([kind, performance.now() - began]);
    const callback = asked.at(-1);
    if (typeof callback === 'function') {
      asked[asked.length - 1] = (...answer: unknown[]) => {
        end();
        callback(...answer);
      };
    }
    const answer = query.apply(this, asked) as Promise<unknown> | undefined;
    answer?.then(end, () => undefined);
    return answer;
  } as typeof pg.Client.prototype.query;
}

/** Since it was asked last, milliseconds. */
export function takeStatementTimes(): [StatementKind, number][] {
  const times = taken;
  taken = [];
  return times;
}
