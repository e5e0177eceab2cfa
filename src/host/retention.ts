// Every hour, whoever leads lets go of what is past its time: days of events and attempts as whole tables,
// the rest in short chunks.
import type { HostParts } from './parts.ts';

export async function letGo({ store, settings }: HostParts): Promise<void> {
  const { clock, log, retention } = settings;
  const now = clock.now();
  const days = await store.engine.turnDays(now, retention);
  for (const { kind, day } of days) log.info({ kind, day }, 'a day past its retention is dropped');
  const rows = await store.engine.sweep(now, now - retention.attempts);
  if (Object.keys(rows).length > 0) log.info({ rows }, 'what has expired is let go');
}
