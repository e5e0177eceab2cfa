// An endpoint for every way to hurt a host, each at its path: node --import tsx test/torture/server.ts
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BEHAVIOURS } from './behaviours.ts';
import { AT_ONCE, BROKEN } from './broken.ts';
import { LARGE } from './large.ts';
import type { Play } from './play.ts';
import { SLOW } from './slow.ts';
import { STATUSES } from './statuses.ts';
import { TLS_PATHS, TRUSTED, tlsPort } from './tls.ts';

const READ_FIRST: Record<string, Play> = { ...SLOW, ...LARGE, ...BROKEN, ...STATUSES };

export const PLAYED = [...Object.keys(READ_FIRST), ...Object.keys(AT_ONCE), ...TLS_PATHS];

export interface TortureServer {
  /** A descriptor whose one webhook is this behaviour. */
  descriptorOf(path: string): Record<string, unknown>;
  /** Certificates, PEM, for NODE_EXTRA_CA_CERTS of the host. */
  trusted: string;
  /** Requests to one path so far. */
  requestsTo(path: string): number;
  stop(): Promise<void>;
}

export async function startTortureServer(port = 0): Promise<TortureServer> {
  const sockets = new Set<net.Socket>();
  const requests = new Map<string, number>();
  const installed = new Set<string>();

  function answer(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => {});
    const url = new URL(request.url!, 'http://torture');
    requests.set(request.url!, (requests.get(request.url!) ?? 0) + 1);
    const atOnce = AT_ONCE[url.pathname];
    if (atOnce) {
      atOnce(request, response);
      return;
    }
    request.resume().on('end', () => {
      if (url.pathname === '/descriptor.json') {
        const body = JSON.stringify(descriptorOf(url.searchParams.get('path') ?? '/hang'));
        response.writeHead(200, { 'content-type': 'application/json' }).end(body);
      } else if (url.pathname === '/installed') {
        response.writeHead(204).end();
        installed.add(url.searchParams.get('path') ?? '');
      } else {
        (READ_FIRST[url.pathname] ?? STATUSES['/204']!)(request, response);
      }
    });
  }

  const plain = createServer(answer);
  const ports = new Map<string, net.Server>(
    TLS_PATHS.map((path) => [path, tlsPort(path, answer, () => installed.has(path))]),
  );
  for (const server of [plain, ...ports.values()]) {
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    });
    server.listen(server === plain ? port : 0, '127.0.0.1');
    await once(server, 'listening');
  }

  function originOf(path: string): string {
    const secure = ports.get(path);
    if (secure) return `https://localhost:${(secure.address() as AddressInfo).port}`;
    return `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;
  }

  function descriptorOf(path: string): Record<string, unknown> {
    const name = path.replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
    return {
      key: `torture-${name}`,
      name: `Torture ${name}`,
      baseUrl: originOf(path),
      authentication: { type: 'jwt' },
      lifecycle: { installed: `/installed?path=${encodeURIComponent(path)}` },
      scopes: ['repository'],
      modules: { webhooks: [{ event: 'repo:push', url: path }] },
    };
  }

  return {
    descriptorOf,
    trusted: TRUSTED,
    requestsTo: (path) => requests.get(path) ?? 0,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(
        [plain, ...ports.values()].map((server) => new Promise((done) => server.close(done))),
      );
    },
  };
}

async function main(): Promise<void> {
  const server = await startTortureServer(Number(process.env.PORT ?? 0));
  const authorities = join(tmpdir(), 'mortise-torture-ca.pem');
  writeFileSync(authorities, server.trusted);
  for (const { path, does } of BEHAVIOURS) {
    const origin = server.descriptorOf(path).baseUrl;
    console.log(`${origin}${path}`.padEnd(62), does);
  }
  const example = server.descriptorOf('/hang').baseUrl;
  console.log(`
A host that trusts these certificates:  NODE_EXTRA_CA_CERTS=${authorities} npx mortise serve --dev --platform platforms/bitbucket.json
One of them as an add-on:               npx mortise install '${example}/descriptor.json?path=/hang' --context acme
Then:                                   npx mortise events send repo:push --context acme; npx mortise deliveries`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
