// Where parameters come from (RFC 5849 section 3.4.1.3.1). Query and form bodies are form-urlencoded, "+" is a space
// there; in the Authorization header values are only percent-encoded, and "+" is a plus.
import { malformed } from './errors.ts';

export type Parameter = [name: string, value: string];

/** Everything but the unreserved characters (RFC 5849 section 3.6); encodeURIComponent leaves five more. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** A query or a form body. Repeated names and empty values are kept. @throws parameter_rejected */
export function parseForm(text: string): Parameter[] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const [name, value] =
        equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
      return [decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' '))];
    });
}

/** RFC 7235's quoted-string; only `realm` may need the backslash. */
const HEADER_PARAMETER = /\s*([^\s=,"]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)/y;

/**
 * `OAuth realm="…", oauth_nonce="…", …` (section 3.5.1), without the realm, which is not signed.
 * @returns undefined if the header is of another scheme.
 * @throws parameter_rejected
 */
export function parseHeader(header: string | undefined): Parameter[] | undefined {
  const [scheme] = /^OAuth(?=\s|$)/i.exec(header ?? '') ?? [];
  if (header === undefined || scheme === undefined) return undefined;
  const parameters: Parameter[] = [];
  HEADER_PARAMETER.lastIndex = scheme.length;
  while (HEADER_PARAMETER.lastIndex < header.length) {
    const [, name, value] = HEADER_PARAMETER.exec(header) ?? [];
    if (name === undefined || value === undefined) {
      throw malformed(
        'parameter_rejected',
        'The Authorization header cannot be read.',
        'Write it like: OAuth oauth_consumer_key="…", oauth_nonce="…", … with percent-encoded values.',
      );
    }
    if (name.toLowerCase() !== 'realm') parameters.push([decode(name), decode(value)]);
  }
  return parameters;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed('parameter_rejected', 'A parameter is not percent-encoded UTF-8.');
  }
}
