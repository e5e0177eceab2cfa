// The fastest way out of Node that we know: undici's dispatch, one pool per origin. The ceiling and the peers use it.
import { Pool } from 'undici';
import type { BenchAddon } from './addons.ts';
import { CONCURRENCY, ORIGINS } from './arm.ts';
import { signedHeaders } from './signed-request.ts';

const TIMEOUT_MS = 10_000;

export type Send = (addon: BenchAddon, deliveryId: string, body: Buffer) => Promise<void>;

/** Rejects unless the answer is 2xx. */
export function createSender(): Send {
  const pools = new Map<string, Pool>();

  function poolOf(origin: string): Pool {
    let pool = pools.get(origin);
    if (!pool) {
      pool = new Pool(origin, {
        connections: CONCURRENCY / ORIGINS,
        pipelining: 1,
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
      });
      pools.set(origin, pool);
    }
    return pool;
  }

  return (addon, deliveryId, body) =>
    new Promise((resolve, reject) => {
      const { origin } = addon.secrets;
      let status = 0;
      poolOf(origin).dispatch(
        {
          method: 'POST',
          path: addon.url.slice(origin.length),
          headers: signedHeaders(addon, deliveryId, body),
          body,
        },
        {
          onRequestStart: () => undefined,
          onResponseStart(_controller, code) {
            status = code;
          },
          onResponseData: () => undefined,
          onResponseEnd() {
            if (status >= 200 && status < 300) resolve();
            else reject(new Error(`The receiver answered ${status}.`));
          },
          onResponseError: (_controller, error) => reject(error),
        },
      );
    });
}
