// Secrets that both sides can derive, for installations that were written without a handshake.
import { createHash } from 'node:crypto';

export function seededSecrets(clientKey: string): { shared: string; webhook: string } {
  const digest = (of: string) => createHash('sha256').update(`${of} ${clientKey}`).digest();
  return {
    shared: digest('shared').toString('base64url'),
    webhook: `whsec_${digest('webhook').toString('base64')}`,
  };
}
