// The add-ons that are delivered to: made from a number, so that every process knows the same ones.
import { derivedId } from '../../src/core/ids.ts';
import { sha256 } from '../../src/core/secrets.ts';

export interface BenchAddon {
  installationId: string;
  addonKey: string;
  context: string;
  clientKey: string;
  /** One add-on, one path: what the receiver knows it by. */
  baseUrl: string;
  url: string;
  /** As they are sealed in a database. */
  secrets: { shared: string; webhook: string; origin: string };
}

/** All in one context, so that an event concerns each of them, or each in its own. */
export type Spread = 'shared' | 'own';

const secret = (name: string) => sha256(name).toString('base64url');

/** @param origins taken in turn. */
export function benchAddons(count: number, origins: readonly string[], spread: Spread) {
  return Array.from({ length: count }, (_, i): BenchAddon => {
    const origin = origins[i % origins.length]!;
    const baseUrl = `${origin}/addon-${i}`;
    return {
      installationId: derivedId('bench', String(i)),
      addonKey: `bench-${i}`,
      context: spread === 'shared' ? 'team' : `team-${i}`,
      clientKey: `mck_bench_${i}`,
      baseUrl,
      url: `${baseUrl}/hook`,
      secrets: {
        shared: secret(`shared ${i}`),
        webhook: `whsec_${sha256(`webhook ${i}`).toString('base64')}`,
        origin,
      },
    };
  });
}
