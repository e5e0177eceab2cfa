// What a thread that makes attempts runs: wires its parts, as create-host.ts does those of the host.
import { parentPort, workerData } from 'node:worker_threads';
import { createOutbound } from './core/outbound.ts';
import { SecretBox } from './core/secret-box.ts';
import type { DeliveryThreadData } from './delivery-threads.ts';
import { compilePlatform } from './platform/compile.ts';
import { openAttemptStore } from './store/open-store.ts';
import type { Told } from './webhooks/attempt-messages.ts';
import { LocalAttempts } from './webhooks/attempts.ts';
import { serveAttempts } from './webhooks/serve-attempts.ts';

const { database, definition, lifetime, secretKey, previousSecretKeys, policy } =
  workerData as DeliveryThreadData;
const port = parentPort!;
const tell = (told: Told) => port.postMessage(told);
const store = openAttemptStore(database, lifetime);
const outbound = createOutbound(policy);
const attempts = new LocalAttempts({
  ...store,
  platform: compilePlatform(JSON.stringify(definition)),
  box: new SecretBox(secretKey, previousSecretKeys),
  outbound,
  onOrigin: (installationId, origin) => tell({ kind: 'origin', installationId, origin }),
  onUndeclared: (eventType, pointers) => tell({ kind: 'undeclared', eventType, pointers }),
});

serveAttempts(port, attempts, async () => {
  await outbound.close();
  await store.close();
});
