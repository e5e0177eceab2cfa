// Fetches a descriptor. Each way to fail has a code of its own: "invalid manifest" for a TLS fault helps nobody.
import { MortiseError } from '../core/errors.ts';
import type { Outbound, OutboundAnswer } from '../core/outbound.ts';
import { shownUrl } from '../core/shown-url.ts';

/** A descriptor of 10 kB is a large one. */
const MOST_BYTES = 128 * 1024;

/**
 * @returns the document's text.
 * @throws descriptor_dns_failed, descriptor_tls_…, descriptor_timeout, descriptor_redirect, descriptor_status,
 *   descriptor_too_large, descriptor_encoding and the like, status 422
 */
export async function fetchDescriptor(url: string, outbound: Outbound): Promise<string> {
  const answer = await outbound.send({
    method: 'GET',
    url,
    headers: { accept: 'application/json', 'user-agent': 'Mortise' },
    maxBytes: MOST_BYTES,
  });
  const refused = refuse(url, answer);
  if (refused) throw refused;
  return decode(url, (answer as OutboundAnswer & { kind: 'answer' }).body);
}

function refuse(url: string, answer: OutboundAnswer): MortiseError | undefined {
  if (answer.kind === 'withheld') return undefined;
  if (answer.kind === 'failure') {
    return unusable(
      url,
      answer.code,
      answer.message,
      HINTS[answer.code] ?? 'Check the address, and that the add-on is running.',
    );
  }
  const { status, headers } = answer;
  if (status >= 300 && status < 400) {
    return unusable(
      url,
      'redirect',
      `It answers ${status}, a redirect to ${headers.location ?? 'nowhere'}, which this host does not follow.`,
      'Give the address it leads to.',
    );
  }
  if (status !== 200) {
    return unusable(
      url,
      'status',
      `It answers ${status} instead of 200.`,
      'Check the path; it must be readable without signing in.',
    );
  }
  if (answer.isTruncated) {
    return unusable(
      url,
      'too_large',
      `It is larger than ${MOST_BYTES / 1024} KiB.`,
      'Is this really the descriptor?',
    );
  }
  const encoding = headers['content-encoding'];
  if (encoding && encoding !== 'identity') {
    return unusable(
      url,
      'encoding',
      `It is sent with content-encoding "${encoding}", though this host accepts none.`,
      'Send it uncompressed.',
    );
  }
  return undefined;
}

function decode(url: string, body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw unusable(url, 'encoding', 'It is not UTF-8 text.', 'Save it as UTF-8.');
  }
}

const HINTS: Record<string, string> = {
  address_private:
    'For development start the host with --dev (loopback only); otherwise publish the add-on on a public address.',
  url_not_https: 'Use https; for development on this machine start the host with --dev.',
  url_port: 'Use port 443, or ask the operator to allow the port.',
  dns_failed: 'Check the host name.',
  timeout: 'Try again; the descriptor must be answered within seconds.',
  tls_expired: 'Renew the certificate.',
};

function unusable(url: string, what: string, message: string, hint: string): MortiseError {
  return new MortiseError({
    code: `descriptor_${what}`,
    status: 422,
    message: `The descriptor at ${shownUrl(url)} could not be fetched. ${message}`,
    hint,
    faults: [{ code: `descriptor_${what}`, message, hint, severity: 'error' }],
  });
}
