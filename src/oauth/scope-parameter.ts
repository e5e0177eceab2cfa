// The `scope` parameter: space-separated (RFC 6749 section 3.3); a request may narrow, never widen.
import type { Scopes } from '../platform/scopes.ts';
import { tokenError } from './errors.ts';

/**
 * @param parameter undefined or empty asks for everything that is granted.
 * @throws invalid_scope naming what is unknown or not granted
 */
export function narrowScopes(
  parameter: string | undefined,
  granted: string[],
  scopes: Scopes,
): string[] {
  const asked = [...new Set((parameter ?? '').split(' ').filter((name) => name !== ''))];
  if (asked.length === 0) return granted;
  const found = asked.map((name) => {
    const scope = scopes.find(name);
    if (scope === undefined)
      throw tokenError('invalid_scope', `"${name}" is not a scope of this platform.`);
    return scope;
  });
  const refused = found.filter((scope) => !scopes.covers(granted, scope));
  if (refused.length > 0) {
    throw tokenError(
      'invalid_scope',
      `Not granted: ${refused.join(' ')}. Granted: ${granted.join(' ') || 'nothing'}.`,
    );
  }
  return found;
}
