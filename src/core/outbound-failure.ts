// What Node and undici say when a request fails, as stable codes and sentences.

const TLS_CODES: Record<string, [code: string, message: string]> = {
  CERT_HAS_EXPIRED: ['tls_expired', 'The TLS certificate has expired.'],
  CERT_NOT_YET_VALID: ['tls_not_yet_valid', 'The TLS certificate is not valid yet.'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['tls_wrong_host', 'The TLS certificate belongs to another host.'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['tls_self_signed', 'The TLS certificate is self-signed.'],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'tls_self_signed',
    'The TLS certificate chain ends in a self-signed certificate.',
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'tls_untrusted',
    'The TLS certificate chain is incomplete or not trusted.',
  ],
  UNABLE_TO_GET_ISSUER_CERT: ['tls_untrusted', 'The issuer of the TLS certificate is not trusted.'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'tls_untrusted',
    'The issuer of the TLS certificate is not trusted.',
  ],
  EPROTO: [
    'tls_failed',
    'The TLS handshake failed: the other side does not speak TLS here, or no common version.',
  ],
};

const NETWORK_CODES: Record<string, [code: string, message: string]> = {
  ENOTFOUND: ['dns_failed', 'The host name does not exist.'],
  EAI_AGAIN: ['dns_failed', 'The host name could not be resolved just now.'],
  ECONNREFUSED: ['connection_refused', 'Nothing listens at that address and port.'],
  EHOSTUNREACH: ['unreachable', 'The address cannot be reached.'],
  ENETUNREACH: ['unreachable', 'The address cannot be reached.'],
  UND_ERR_CONNECT_TIMEOUT: ['connect_timeout', 'No connection was made in time.'],
  ETIMEDOUT: ['connect_timeout', 'No connection was made in time.'],
  UND_ERR_HEADERS_TIMEOUT: ['timeout', 'The connection was made, but no answer began in time.'],
  UND_ERR_BODY_TIMEOUT: ['timeout', 'The answer began, but did not go on in time.'],
  UND_ERR_SOCKET: [
    'connection_closed',
    'The connection was closed before the answer was complete.',
  ],
  ECONNRESET: ['connection_closed', 'The connection was closed before the answer was complete.'],
  EPIPE: ['connection_closed', 'The connection was closed before the answer was complete.'],
  UND_ERR_HEADERS_OVERFLOW: ['bad_response', 'The headers of the answer are too large.'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: [
    'connection_closed',
    'The answer is shorter than it announced.',
  ],
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
  const known = TLS_CODES[code] ?? NETWORK_CODES[code];
  if (known) return { code: known[0], message: known[1] };
  if (code.startsWith('ERR_SSL')) return { code: 'tls_failed', message: TLS_CODES.EPROTO![1] };
  if (first?.name === 'HTTPParserError')
    return { code: 'bad_response', message: 'The answer is not HTTP.' };
  return { code: 'network_failed', message: `The exchange failed: ${error.message}.` };
}
