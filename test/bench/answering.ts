// The process that processes.test.ts talks to.
import { spawn } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { answerQuestions, readSettings } from '../../bench/processes/child.ts';

const { greeting, withServer } = readSettings<{ greeting?: string; withServer?: boolean }>();
const server = withServer ? spawn('sleep', ['60'], { stdio: 'ignore' }) : undefined;

answerQuestions(
  {
    soon: (name: string) => `${greeting} ${name}`,
    late: (name: string) => wait(20, `${greeting} ${name}`),
    fault: () => {
      throw new Error('It went wrong.');
    },
    never: () => new Promise(() => undefined),
    die: () => process.kill(process.pid, 'SIGKILL'),
    server: () => server?.pid,
  },
  () => server?.kill(),
  server?.pid === undefined ? [] : [server.pid],
);
