// What Node and undici say when a request fails, as stable codes and sentences.

const UNTRUSTED = 'The TLS certificate chain is incomplete or not trusted.';
const BROKEN_CHAIN = 'The TLS certificate chain is broken: a certificate in it may not be used so.';
const TLS_REFUSED = 'The TLS handshake failed: the other side broke it off.';

const TLS_CODES: Record<string, [code: string, message: string]> = {
  CERT_HAS_EXPIRED: ['tls_expired', 'The TLS certificate has expired.'],
  CERT_NOT_YET_VALID: ['tls_not_yet_valid', 'The TLS certificate is not valid yet.'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['tls_wrong_host', 'The TLS certificate belongs to another host.'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['tls_self_signed', 'The TLS certificate is self-signed.'],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'tls_self_signed',
    'The TLS certificate chain ends in a self-signed certificate.',
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['tls_untrusted', UNTRUSTED],
  UNABLE_TO_GET_ISSUER_CERT: ['tls_untrusted', UNTRUSTED],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['tls_untrusted', UNTRUSTED],
  INVALID_CA: ['tls_untrusted', BROKEN_CHAIN],
  INVALID_PURPOSE: ['tls_untrusted', BROKEN_CHAIN],
  PATH_LENGTH_EXCEEDED: ['tls_untrusted', BROKEN_CHAIN],
  CERT_CHAIN_TOO_LONG: ['tls_untrusted', BROKEN_CHAIN],
  CERT_SIGNATURE_FAILURE: ['tls_untrusted', BROKEN_CHAIN],
  ERR_SSL_WRONG_VERSION_NUMBER: [
    'tls_not_spoken',
    'The other side does not speak TLS at that port.',
  ],
  ERR_SSL_PACKET_LENGTH_TOO_LONG: [
    'tls_not_spoken',
    'The other side does not speak TLS at that port.',
  ],
  ERR_SSL_UNSUPPORTED_PROTOCOL: [
    'tls_version',
    'The other side speaks only versions of TLS before 1.2.',
  ],
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: [
    'tls_version',
    'The other side speaks only versions of TLS before 1.2.',
  ],
  TLS_TIMEOUT: [
    'tls_timeout',
    'The connection was made, but the TLS handshake did not end in time.',
  ],
  TLS_CLOSED: ['tls_failed', 'The connection was closed during the TLS handshake.'],
  EPROTO: ['tls_failed', TLS_REFUSED],
};

const CLOSED = 'The connection was closed before the answer was complete.';

const NETWORK_CODES: Record<string, [code: string, message: string]> = {
  ENOTFOUND: ['dns_failed', 'The host name does not exist.'],
  EAI_AGAIN: ['dns_failed', 'The host name could not be resolved just now.'],
  ECONNREFUSED: ['connection_refused', 'Nothing listens at that address and port.'],
  EHOSTUNREACH: ['unreachable', 'The address cannot be reached.'],
  ENETUNREACH: ['unreachable', 'The address cannot be reached.'],
  CONNECT_TIMEOUT: ['connect_timeout', 'No connection was made in time.'],
  ETIMEDOUT: ['connect_timeout', 'No connection was made in time.'],
  UND_ERR_HEADERS_TIMEOUT: ['timeout', 'The connection was made, but no answer began in time.'],
  UND_ERR_BODY_TIMEOUT: ['timeout', 'The answer began, but did not go on in time.'],
  UND_ERR_SOCKET: ['connection_closed', CLOSED],
  ECONNRESET: ['connection_closed', CLOSED],
  EPIPE: ['connection_closed', CLOSED],
  UND_ERR_HEADERS_OVERFLOW: ['bad_response', 'The headers of the answer are too large.'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: [
    'bad_response',
    'The answer does not have the length that it announced.',
  ],
  INTERRUPTED: ['interrupted', 'This host stopped during the exchange.'],
};

/** @returns a stable code and a sentence; an unknown error keeps its own words. */
export function outboundFailure(error: Error & { code?: string }): {
  code: string;
  message: string;
} {
  // Several addresses tried and none reached: the first one's reason stands for all.
  const first: { code?: string; name?: string } =
    error instanceof AggregateError ? error.errors[0] : error;
  const code = first?.code ?? '';
  if (code === 'ADDRESS_REFUSED') return { code: 'address_private', message: error.message };
  if (code === 'DEADLINE') return { code: 'timeout', message: error.message };
  if (code === 'BAD_RESPONSE') return { code: 'bad_response', message: error.message };
  // undici's words for an answer to nothing, a 100 nobody asked for, and a switch of protocols.
  if (code === 'UND_ERR_SOCKET' && /^bad (response|upgrade)$/.test(error.message)) {
    return { code: 'bad_response', message: 'The answer is none that HTTP/1.1 allows here.' };
  }
  const known = TLS_CODES[code] ?? NETWORK_CODES[code];
  if (known) return { code: known[0], message: known[1] };
  if (code.startsWith('ERR_SSL')) return { code: 'tls_failed', message: TLS_REFUSED };
  if (first?.name === 'HTTPParserError')
    return { code: 'bad_response', message: 'The answer is not HTTP.' };
  return { code: 'network_failed', message: `The exchange failed: ${error.message}.` };
}
