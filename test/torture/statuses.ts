// Proper answers that say no.
import type { Play } from './play.ts';

const status =
  (code: number, headers: Record<string, string> = {}): Play =>
  (_request, response) =>
    void response.writeHead(code, headers).end();

export const STATUSES: Record<string, Play> = {
  '/204': status(204),
  '/410': status(410),
  '/500': status(500),
  '/503': status(503),
  '/redirect-loop': status(302, { location: '/redirect-loop' }),
  '/redirect-to-metadata': status(307, {
    location: 'http://169.254.169.254/latest/meta-data/iam/security-credentials/',
  }),
  '/429': (request, response) => {
    const asked = new URL(request.url!, 'http://torture').searchParams.get('retry-after')!;
    const inTwoMinutes = new Date(Date.now() + 120_000).toUTCString();
    response.writeHead(429, { 'retry-after': asked === 'date' ? inTwoMinutes : asked }).end();
  },
};
