// What is signed (RFC 5849 section 3.4.1): METHOD & base string URI & parameters, each percent-encoded.
import { type Parameter, percentEncode } from './parameters.ts';

/** @param parameters all of them, decoded; `oauth_signature` is left out here. */
export function baseString(method: string, url: string, parameters: Parameter[]): string {
  return [method.toUpperCase(), baseUri(url), normalize(parameters)].map(percentEncode).join('&');
}

/**
 * Section 3.4.1.2: scheme and host in lower case, without the default port, path as received, no query. Not by
 * way of `new URL`, which would rewrite the path.
 */
function baseUri(url: string): string {
  const [, scheme = '', host = '', path = ''] = /^([^:]+):\/\/([^/?#]*)([^?#]*)/.exec(url) ?? [];
  const protocol = scheme.toLowerCase();
  const defaultPort = protocol === 'https' ? /:443$/ : /:80$/;
  return `${protocol}://${host.toLowerCase().replace(defaultPort, '')}${path || '/'}`;
}

/** Section 3.4.1.3.2: encoded, then sorted by name and value in byte order, which ASCII text has in any comparison. */
function normalize(parameters: Parameter[]): string {
  return parameters
    .filter(([name]) => name !== 'oauth_signature')
    .map(([name, value]): Parameter => [percentEncode(name), percentEncode(value)])
    .sort(([name, value], [otherName, otherValue]) =>
      name === otherName ? compare(value, otherValue) : compare(name, otherName),
    )
    .map((pair) => pair.join('='))
    .join('&');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
