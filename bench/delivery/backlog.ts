// A database in which a great deal is owed, made by publishing and fanning out as always, only without sending.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from '../plan.ts';
import { type BenchHost, openHost } from '../seeded-host.ts';
import { type BenchAddon, benchAddons } from './addons.ts';
import { CONCURRENCY } from './arm.ts';
import { inParallel } from './in-parallel.ts';
import { installAddons } from './install-addons.ts';
import { EVENT_TYPE, pushPayload } from './push-event.ts';

const ADDONS = 100;
const WEBHOOKS = 10;
/** How many deliveries one event makes. */
export const PER_EVENT = ADDONS * WEBHOOKS;
const EVENTS_PER_PASS = 64;
const LIFETIME_MS = 72 * 3_600_000;
/** Nobody listens there: what is owed stays owed. */
const DEAD = ['http://127.0.0.1:9'];

export interface Backlog {
  database: string;
  addons: BenchAddon[];
}

/** @param deliveries owed, in all, to a hundred add-ons that are dead; a multiple of a thousand. */
export async function makeBacklog(plan: Plan, deliveries: number): Promise<Backlog> {
  if (deliveries >= 100_000) {
    console.error(`  making a backlog of ${deliveries.toLocaleString('en')} deliveries …`);
  }
  const database = join(mkdtempSync(join(plan.folder, 'backlog-')), 'mortise.db');
  const addons = benchAddons(ADDONS, DEAD, 'shared');
  const host = openHost(database);
  try {
    await installAddons(host, addons, { webhooks: WEBHOOKS });
    const event = {
      type: EVENT_TYPE,
      context: addons[0]!.context,
      resource: 'team/site',
      payload: pushPayload(),
    };
    await inParallel(deliveries / PER_EVENT, CONCURRENCY, () => host.publish(event));
    await fanOutAll(host);
  } finally {
    await host.close();
  }
  return { database, addons };
}

async function fanOutAll({ parts }: BenchHost): Promise<void> {
  for (;;) {
    const now = Date.now();
    const { events } = await parts.store.events.fanOut(EVENTS_PER_PASS, now, LIFETIME_MS);
    if (events === 0) return;
  }
}
