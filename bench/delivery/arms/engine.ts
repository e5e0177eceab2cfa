// The engine on a database that is there already, and nothing else.
import { answerQuestions, readSettings } from '../../processes/child.ts';
import { openHost } from '../../seeded-host.ts';

const MIB = 1_048_576;

const { database } = readSettings<{ database: string }>();
const host = openHost(database);
await host.start();

answerQuestions({ memory: () => process.memoryUsage.rss() / MIB }, () => host.close());
