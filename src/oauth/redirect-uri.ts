// Where an authorization answer may go: exactly what was registered (RFC 9700 section 2.1), except that a native
// app's loopback listener may have any port (RFC 8252 section 7.3).

/** @returns why a URI cannot be registered, or undefined. */
export function faultOfRedirectUri(uri: string): string | undefined {
  if (!URL.canParse(uri)) return 'It is not an absolute URI.';
  const { protocol, hostname, hash, username, password } = new URL(uri);
  if (hash !== '' || uri.includes('#')) return 'It has a fragment (RFC 6749 section 3.1.2).';
  if (username || password) return 'It carries a user name or password.';
  if (protocol === 'https:') return undefined;
  if (protocol === 'http:') {
    return isLoopback(hostname) || hostname === 'localhost'
      ? undefined
      : 'Plain http is for loopback only; use https.';
  }
  // RFC 8252 section 7.1: private-use schemes are reverse domain names.
  return protocol.includes('.')
    ? undefined
    : `"${protocol}" is not a scheme to send codes to; use https, or a reverse domain name such as com.example.app:`;
}

/** @returns whether the URI of a request is one of those registered. */
export function isRegistered(uri: string, registered: string[]): boolean {
  return registered.some((candidate) => candidate === uri || isSameLoopback(candidate, uri));
}

function isSameLoopback(registered: string, given: string): boolean {
  if (!URL.canParse(registered) || !URL.canParse(given)) return false;
  const [a, b] = [new URL(registered), new URL(given)];
  if (a.protocol !== 'http:' || !isLoopback(a.hostname)) return false;
  const withoutPort = (text: string) =>
    text.replace(/^(http:\/\/(?:\[::1\]|127\.0\.0\.1)):\d+/, '$1');
  return isLoopback(b.hostname) && withoutPort(registered) === withoutPort(given);
}

function isLoopback(hostname: string): boolean {
  return hostname === '127.0.0.1' || hostname === '[::1]';
}
