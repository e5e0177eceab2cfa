// The host that is killed, stopped, starved. It loads first and starts when it is told to, so that the next one can
// load while this one runs; the clock of its machine can be set.
import { createServer, type Server } from 'node:http';
import Koa from 'koa';
import { createHostOn, type Host } from '../../../src/create-host.ts';
import { answerQuestions } from './answer-questions.ts';
import { PLATFORM } from './platform.ts';
import { setMachineClock } from './set-machine-clock.ts';
import { takeStatementTimes, timeStatements } from './statement-times.ts';

export interface StartHost {
  ask: 'start';
  database: string;
  port: number;
  /** Default: where it listens. Replicas have one. */
  baseUrl?: string;
  operatorToken: string;
  secretKey: string;
  /** [0, 1): makes every retry come after the shortest wait (0) or the longest. Default: random. */
  jitter?: number;
  /** How far the clock of its machine is off. */
  offsetMs?: number;
  /** How long the right to run the engine lasts. */
  leaseMs?: number;
}

let running: { server: Server; host: Host } | undefined;

answerQuestions(async (question) => {
  switch (question.ask) {
    case 'start':
      return start(question as unknown as StartHost);
    case 'clock':
      setMachineClock(Number(question.offsetMs));
      return;
    case 'statements':
      return takeStatementTimes();
    case 'close':
      running?.server.close();
      running?.server.closeIdleConnections();
      await running?.host.close();
      return;
  }
});

async function start(options: StartHost): Promise<void> {
  timeStatements();
  const { database, operatorToken, secretKey, port, jitter } = options;
  setMachineClock(options.offsetMs ?? 0);
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const host = createHostOn(
    {
      platform: PLATFORM,
      database,
      baseUrl: options.baseUrl ?? `http://127.0.0.1:${port}`,
      dev: true,
      operatorToken,
      secretKey,
      log: 'warn',
      ...(jitter !== undefined && { random: () => jitter }),
    },
    { leaseMs: options.leaseMs },
  );
  const app = new Koa();
  app.silent = true;
  app.use(host.routes());
  app.use(host.guard('repository'));
  app.use((ctx) => {
    ctx.status = 204;
  });
  server.on('request', app.callback());
  running = { server, host };
  await host.start();
}
