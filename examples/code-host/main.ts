// The sample code host as a process of its own.
import { DEFAULT_PORT, optionsFromEnvironment } from './environment.ts';
import { startCodeHost } from './start.ts';

const codeHost = await startCodeHost(
  optionsFromEnvironment({ dataFolder: '.mortise', port: DEFAULT_PORT }),
);
console.log(`code host listening on ${codeHost.url}`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void codeHost.close().then(() => process.exit(0)));
}
