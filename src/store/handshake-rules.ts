// What is the same of a handshake on every store.
import { MortiseError } from '../core/errors.ts';

/** @returns an origin other than that of `baseUrl` among those that use the add-on's key */
export function otherOriginOf(baseUrl: string, usedAt: string[]): string | undefined {
  const { origin } = new URL(baseUrl);
  return usedAt.map((url) => new URL(url).origin).find((other) => other !== origin);
}

export function handshakeOver(): MortiseError {
  return new MortiseError({
    code: 'install_cancelled',
    status: 409,
    message:
      'The installation was cancelled, or took too long, while the add-on was being called; nothing was installed.',
    hint: 'Install it again.',
  });
}

export function rotationOver(): MortiseError {
  return new MortiseError({
    code: 'rotation_cancelled',
    status: 409,
    message:
      'The installation was changed, or the call took too long, while the add-on was told its new secrets; the old ones stay in force.',
    hint: 'Rotate again: the add-on is told the same new secrets.',
  });
}
