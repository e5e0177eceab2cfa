// A whole host over real HTTP, on a database of its own, gone after the test.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Koa from 'koa';
import { createHost, type HostOptions } from '../../src/index.ts';
import { changeInside } from './inside-database.ts';
import { dropDatabase, newDatabase } from './new-database.ts';
import { SECRET_KEY } from './prepared-database.ts';

export const OPERATOR_TOKEN = 'operator-token-of-the-tests';
export { SECRET_KEY };

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  json: any;
}

export interface RunningHost {
  host: ReturnType<typeof createHost>;
  app: Koa;
  url: string;
  /** As HostOptions has it: a second host can be started on it. */
  database: string;
  /** A call of the operator API; `path` is below /operator/v1. */
  operator(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Any request. */
  request(method: string, path: string, init?: RequestInit): Promise<Answer>;
  stop(): Promise<void>;
}

export interface StartOptions extends Partial<HostOptions> {
  /** Middleware after Mortise's: the product's own routes. */
  product?: (host: ReturnType<typeof createHost>, app: Koa) => void;
  /** Serve the doors, but deliver nothing. */
  paused?: boolean;
  /** An install key that no other host of the tests has. */
  hasOwnInstallKey?: boolean;
}

export async function startHost({
  product,
  paused,
  hasOwnInstallKey,
  ...options
}: StartOptions = {}): Promise<RunningHost> {
  const folder = mkdtempSync(join(tmpdir(), 'mortise-test-'));
  const database = options.database ?? (await newDatabase(folder));
  if (hasOwnInstallKey) await changeInside(database, 'DELETE FROM install_keys');
  const app = new Koa();
  app.silent = true;
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = options.baseUrl ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const host = createHost({
    platform: 'platforms/bitbucket.json',
    baseUrl: url,
    dev: true,
    operatorToken: OPERATOR_TOKEN,
    secretKey: SECRET_KEY,
    log: 'silent',
    // Starting a thread takes longer than most tests.
    deliveryThreads: 0,
    ...options,
    database,
  });
  app.use(host.routes());
  product?.(host, app);
  server.on('request', app.callback());
  if (!paused) await host.start();

  async function request(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(url + path, { method, redirect: 'manual', ...init });
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, text, json };
  }

  return {
    host,
    app,
    url,
    database,
    request,
    operator: (method, path, body, headers = {}) =>
      request(method, `/operator/v1${path}`, {
        headers: {
          authorization: `Bearer ${OPERATOR_TOKEN}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    async stop() {
      await host.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
      if (options.database === undefined) await dropDatabase(database);
    },
  };
}
