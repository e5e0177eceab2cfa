// Starts threads that make attempts.
import type { Worker } from 'node:worker_threads';
import { startThread } from './core/thread.ts';
import type { HostSettings } from './host/settings.ts';

export interface DeliveryThreadData
  extends Pick<HostSettings, 'database' | 'secretKey' | 'previousSecretKeys' | 'policy'> {
  definition: HostSettings['platform']['definition'];
  /** Of the share that its attempts are for. */
  lifetime: string | undefined;
}

/** Requests and answers live for milliseconds: with more room for the young, fewer are copied before they die. */
const YOUNG_MB = 32;

export function openDeliveryThread(settings: HostSettings, lifetime: string | undefined): Worker {
  const { database, secretKey, previousSecretKeys, policy, platform } = settings;
  const { definition } = platform;
  const workerData: DeliveryThreadData = {
    database,
    definition,
    lifetime,
    secretKey,
    previousSecretKeys,
    policy,
  };
  return startThread('./delivery-thread', import.meta.url, {
    workerData,
    name: 'mortise-delivery',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
}
