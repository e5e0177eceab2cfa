// What an endpoint can do to a host, and what its operator reads afterwards: the one place for both. The
// servers beside this file play it, the tests drive a real host against it, and README shows it.

export interface Behaviour {
  /** Of the endpoint; those that begin with `/tls-` are on ports of their own, over https. */
  path: string;
  does: string;
  /** Of the first attempt, as the delivery's log has it. */
  outcome: 'delivered' | 'retry' | 'failed';
  status: number | null;
  /** Stable code. */
  reason: string | null;
  message: string | null;
  /** Seconds until the next attempt, least and most, where the endpoint asked for some. */
  nextWithinS?: [least: number, most: number];
}

const NO_ANSWER = 'The connection was closed before the answer was complete.';
const NOT_HTTP = 'The answer is not HTTP.';
const NOT_ALLOWED = 'The answer is none that HTTP/1.1 allows here.';
const WRONG_LENGTH = 'The answer does not have the length that it announced.';
const NO_HEADERS = 'The connection was made, but no answer began in time.';
const TOO_LATE = 'There was no complete answer within 15 s.';
const DAY_S = 24 * 3_600;

export const BEHAVIOURS: Behaviour[] = [
  failure('/hang', 'takes the request and never answers', 'timeout', NO_HEADERS),
  failure('/slow-headers', 'sends one byte of its headers a second', 'timeout', NO_HEADERS),
  failure('/slow-body', 'sends one byte of its body a second', 'timeout', TOO_LATE),
  failure('/endless-status', 'never ends its status line', 'timeout', NO_HEADERS),
  failure(
    '/endless-headers',
    'never ends its headers',
    'bad_response',
    'The headers of the answer are too large.',
  ),
  failure(
    '/endless-trailers',
    'never ends the trailers after its body',
    'bad_response',
    'The headers of the answer are too large.',
  ),
  failure(
    '/1xx-flood',
    'sends one 103 after another',
    'bad_response',
    'One interim answer (1xx) follows another.',
  ),
  failure('/unasked-continue', 'sends 100 that was not asked for', 'bad_response', NOT_ALLOWED),
  failure('/switching-protocols', 'switches to another protocol', 'bad_response', NOT_ALLOWED),
  success('/endless-body', 'never ends its body, as fast as it can'),
  success('/huge-body', 'sends 100 MB'),
  success('/gzip-bomb', 'sends 10 MB of gzip that would be 10 GB'),
  success('/tiny-chunks', 'sends 60,000 chunks of one byte'),
  answered('/early-answer', 'answers 413 without reading the request, and closes', 413),
  failure('/reset', 'resets the connection instead of answering', 'connection_closed', NO_ANSWER),
  failure('/close', 'closes the connection instead of answering', 'connection_closed', NO_ANSWER),
  failure(
    '/reset-mid-body',
    'resets the connection in the middle of its body',
    'connection_closed',
    NO_ANSWER,
  ),
  failure('/short-body', 'announces 100 bytes, sends 4 and closes', 'connection_closed', NO_ANSWER),
  failure('/half-status', 'sends half of a status line and closes', 'connection_closed', NO_ANSWER),
  failure('/garbage', 'answers with what is not HTTP', 'bad_response', NOT_HTTP),
  failure('/header-injection', 'has a bare CR in a header', 'bad_response', NOT_HTTP),
  failure('/two-lengths', 'names two lengths of its body', 'bad_response', WRONG_LENGTH),
  success('/two-answers', 'answers twice'),
  success('/duplicate-close', 'says "Connection: close" twice, and closes'),
  success('/old-http', 'answers in HTTP/1.0, its body ended by closing'),
  success('/trailers', 'sends trailers after its body'),
  answered('/204', 'answers 204', 204),
  answered('/500', 'answers 500', 500),
  answered('/503', 'answers 503', 503),
  {
    ...answered('/410', 'answers 410', 410),
    outcome: 'failed',
    reason: 'gone',
    message: 'The add-on answered 410: it wants no more of this.',
  },
  redirected('/redirect-loop', 'redirects to itself', 302),
  redirected('/redirect-to-metadata', "redirects to a cloud's metadata service", 307),
  asksToWait('/429?retry-after=120', '120', [115, 121]),
  asksToWait('/429?retry-after=date', 'a date in two minutes', [110, 121]),
  asksToWait('/429?retry-after=-5', '-5', [0, 60]),
  asksToWait('/429?retry-after=1000000000', '1000000000', [DAY_S - 5, DAY_S + 1]),
  asksToWait('/429?retry-after=soon', 'soon', [0, 60]),
  answered('/flapping', 'answers 503 and 204 in turn', 503),
  failure(
    '/tls-expired',
    'has a certificate that has expired',
    'tls_expired',
    'The TLS certificate has expired.',
  ),
  failure(
    '/tls-wrong-host',
    'has a certificate of another host',
    'tls_wrong_host',
    'The TLS certificate belongs to another host.',
  ),
  failure(
    '/tls-self-signed',
    'has a self-signed certificate',
    'tls_self_signed',
    'The TLS certificate is self-signed.',
  ),
  failure(
    '/tls-unknown-issuer',
    'has a certificate of an unknown issuer',
    'tls_untrusted',
    'The TLS certificate chain is incomplete or not trusted.',
  ),
  failure(
    '/tls-old',
    'speaks TLS 1.1 at most',
    'tls_version',
    'The other side speaks only versions of TLS before 1.2.',
  ),
  failure(
    '/tls-stall',
    'never ends the TLS handshake',
    'tls_timeout',
    'The connection was made, but the TLS handshake did not end in time.',
  ),
  failure(
    '/tls-close',
    'closes the connection in the TLS handshake',
    'tls_failed',
    'The connection was closed during the TLS handshake.',
  ),
  failure(
    '/tls-plain',
    'speaks plain HTTP at the port of https',
    'tls_not_spoken',
    'The other side does not speak TLS at that port.',
  ),
];

function failure(path: string, does: string, reason: string, message: string): Behaviour {
  return { path, does, outcome: 'retry', status: null, reason, message };
}

function success(path: string, does: string): Behaviour {
  return { path, does, outcome: 'delivered', status: 200, reason: null, message: null };
}

function answered(path: string, does: string, status: number): Behaviour {
  if (status < 300) return { ...success(path, does), status };
  const message = `The add-on answered ${status}.`;
  return { path, does, outcome: 'retry', status, reason: `status_${status}`, message };
}

function redirected(path: string, does: string, status: number): Behaviour {
  const message = `The add-on answered ${status}; redirects are not followed.`;
  return { path, does, outcome: 'retry', status, reason: 'redirect', message };
}

function asksToWait(path: string, wait: string, nextWithinS: [number, number]): Behaviour {
  return { ...answered(path, `answers 429 with Retry-After: ${wait}`, 429), nextWithinS };
}

/** As it stands in README. */
export function behavioursTable(): string {
  const rows = BEHAVIOURS.map(
    ({ does, reason, message }) =>
      `| ${does} | ${reason ? `\`${reason}\`` : 'delivered'} | ${message ?? ''} |`,
  );
  return [
    '| an endpoint that | is logged as | with the words |',
    '| --- | --- | --- |',
    ...rows,
  ].join('\n');
}
