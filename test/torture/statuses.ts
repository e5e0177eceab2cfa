// Proper answers that say no.
import type { Play } from './play.ts';

const status =
  (code: number, headers: Record<string, string> = {}): Play =>
  (_request, response) =>
    void response.writeHead(code, headers).end();

let calls = 0;

export const STATUSES: Record<string, Play> = {
  '/204': status(204),
  '/410': status(410),
  '/500': status(500),
  '/503': status(503),
  '/flapping': (_request, response) => {
    response.writeHead(calls++ % 2 === 0 ? 503 : 204).end();
  },
  '/redirect-loop': status(302, { location: '/redirect-loop?followed' }),
  '/redirect-to-metadata': status(307, {
    location: 'http://169.254.169.254/latest/meta-data/iam/security-credentials/',
  }),
  '/429': (request, response) => {
    const asked = new URL(request.url!, 'http://torture').searchParams.get('retry-after')!;
    const inTwoMinutes = new Date(Date.now() + 120_000).toUTCString();
    response.writeHead(429, { 'retry-after': asked === 'date' ? inTwoMinutes : asked }).end();
  },
};
