// A host on a database file of its own: add-ons installed through the handshake, tokens minted by the thousand.
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createHost } from '../src/create-host.ts';
import { mintAccessToken } from '../src/oauth/access-token.ts';
import type { Plan } from './plan.ts';

export const RESOURCE = 'site';
const TOKENS = 10_000;
const INSTALLATIONS = { quick: 10, full: 100 };

/** A token and the context of the installation it belongs to. */
export interface SeededToken {
  token: string;
  context: string;
}

export type BenchHost = ReturnType<typeof createHost>;

export function openHost(database: string): BenchHost {
  return createHost({
    platform: 'platforms/bitbucket.json',
    database,
    baseUrl: 'http://127.0.0.1',
    dev: true,
    secretKey: Buffer.alloc(32, 7).toString('base64'),
    log: 'silent',
  });
}

export function randomOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!;
}

export interface SeededHost {
  host: BenchHost;
  database: string;
  tokens: SeededToken[];
}

/** 10,000 tokens shared by some installations of one add-on, each limited to the one resource. */
export async function seededHost({ folder, isQuick }: Plan): Promise<SeededHost> {
  const database = join(mkdtempSync(join(folder, 'seeded-')), 'mortise.db');
  const host = openHost(database);
  const tokens = await seed(host, isQuick ? INSTALLATIONS.quick : INSTALLATIONS.full);
  return { host, database, tokens };
}

async function seed(host: BenchHost, installations: number): Promise<SeededToken[]> {
  const addon = await startAddon();
  const seeded: SeededToken[] = [];
  try {
    for (let i = 0; i < installations; i++) {
      const context = `team-${i}`;
      const grant = await install(host, addon.url, context);
      const now = Date.now();
      const tokens = await Promise.all(
        Array.from({ length: TOKENS / installations }, () =>
          mintAccessToken(host.parts.store.tokens, grant, ['repository'], { now, seconds: 3600 }),
        ),
      );
      seeded.push(...tokens.map(({ token }) => ({ token, context })));
    }
  } finally {
    addon.stop();
  }
  return seeded;
}

async function install(host: BenchHost, addonUrl: string, context: string) {
  await host.install({
    descriptorUrl: `${addonUrl}/descriptor.json`,
    context,
    resources: [`${context}/${RESOURCE}`],
  });
  const { installations } = host.parts.store;
  const installation = await installations.findByAddon('bench-addon', context);
  const grant = installation && (await installations.findGrant(installation.id));
  if (!grant) throw new Error(`The installation in ${context} has no grant.`);
  return grant;
}

async function startAddon(): Promise<{ url: string; stop(): void }> {
  const server = createServer((request, response) => {
    request.resume();
    if (request.method === 'GET') response.end(JSON.stringify(descriptor));
    else response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const descriptor = {
    key: 'bench-addon',
    name: 'Bench add-on',
    description: 'Says yes to everything.',
    baseUrl: url,
    authentication: { type: 'jwt' },
    lifecycle: { installed: '/installed' },
    scopes: ['repository'],
    modules: { webhooks: [{ event: 'repo:push', url: '/hook' }] },
  };
  return {
    url,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
