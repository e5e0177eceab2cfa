// Mortise, as a product embeds it: publishing and delivering in one process, on SQLite or on a PostgreSQL of its own.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { answerQuestions, monotonicMs, readSettings } from '../../processes/child.ts';
import { startPostgres } from '../../processes/postgres.ts';
import { openHost } from '../../seeded-host.ts';
import { type ArmSettings, CONCURRENCY, type Load, type Loaded } from '../arm.ts';
import { inParallel } from '../in-parallel.ts';
import { installAddons } from '../install-addons.ts';
import { EVENT_TYPE, pushPayload } from '../push-event.ts';

const { addons, scopes, folder, store, url, areInstalled } = readSettings<ArmSettings>();
const postgres = store === 'postgres' && !url ? await startPostgres(folder) : undefined;
const host = openHost(url ?? postgres?.url ?? join(folder, 'mortise.db'));
if (!areInstalled) await installAddons(host, addons, { scopes });
await host.start();
const payload = pushPayload();
const TICK_MS = 2;
let turn = 0;

/** The next add-on's context; where they share one, the event concerns them all. */
function publishNext(content = payload): Promise<unknown> {
  const { context } = addons[turn++ % addons.length]!;
  return host.publish({ type: EVENT_TYPE, context, resource: 'team/site', payload: content });
}

answerQuestions(
  {
    async run({ events }: Load): Promise<Loaded> {
      const startedAt = monotonicMs();
      await inParallel(events, CONCURRENCY, () => publishNext());
      return { startedAt };
    },
    /** Of 256, those to which this replica sends. */
    async buckets() {
      const text = await host.parts.metrics.text();
      return Number(/^mortise_buckets (\d+)$/m.exec(text)?.[1]);
    },
    /** As kill -9. */
    die: () => process.kill(process.pid, 'SIGKILL'),
    /** One at a time, each with the time it was published. */
    async spaced({ events, everyMs }: { events: number; everyMs: number }) {
      for (let i = 0; i < events; i++) {
        await publishNext(pushPayload(monotonicMs()));
        await wait(everyMs);
      }
    },
    /** At a steady rate, whatever becomes of them; each with the time it should have been published. */
    async steady({ events, perSecond }: { events: number; perSecond: number }) {
      const startedAt = monotonicMs();
      const under: Promise<unknown>[] = [];
      while (under.length < events) {
        const elapsed = monotonicMs() - startedAt;
        const due = Math.min(Math.floor((elapsed * perSecond) / 1_000) + 1, events);
        while (under.length < due) {
          const at = startedAt + (under.length / perSecond) * 1_000;
          under.push(publishNext(pushPayload(at)));
        }
        await wait(TICK_MS);
      }
      await Promise.all(under);
    },
  },
  async () => {
    await host.close();
    await postgres?.stop();
  },
  postgres && [postgres.pid],
);
