// Starts threads that make attempts.
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { HostSettings } from './host/options.ts';

export interface DeliveryThreadData
  extends Pick<HostSettings, 'database' | 'secretKey' | 'previousSecretKeys' | 'policy'> {
  definition: HostSettings['platform']['definition'];
}

/** As this file is: TypeScript in the repository, JavaScript in the package. */
const EXTENSION = extname(import.meta.url);
const PROGRAM = new URL(`./delivery-thread${EXTENSION}`, import.meta.url);

/** Requests and answers live for milliseconds: with more room for the young, fewer are copied before they die. */
const YOUNG_MB = 64;

export function openDeliveryThread(settings: HostSettings): Worker {
  const { database, secretKey, previousSecretKeys, policy, platform } = settings;
  const { definition } = platform;
  const workerData: DeliveryThreadData = {
    database,
    definition,
    secretKey,
    previousSecretKeys,
    policy,
  };
  const isSource = EXTENSION === '.ts';
  return new Worker(isSource ? learningTypeScript() : PROGRAM, {
    eval: isSource,
    workerData,
    name: 'mortise-delivery',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
}

/** What `--import tsx` does for the process, it does not do for its threads. */
function learningTypeScript(): string {
  const [tsx, program] = [import.meta.resolve('tsx/esm/api'), PROGRAM.href].map((url) =>
    JSON.stringify(url),
  );
  return `import(${tsx}).then(({ register }) => { register(); return import(${program}); })`;
}
