// Tells consumers and add-ons that a user's grant to them was taken back or narrowed. Owed with the revocation itself,
// and told by whoever leads; what the consumer ends itself (RFC 7009) it knows.
import { MAX_ATTEMPTS, retryDelayMs } from '../core/backoff.ts';
import { InTurn } from '../core/in-turn.ts';
import { pushSecurityEvent, securityEventToken } from '../oauth/security-event.ts';
import type { DueSecurityEvent } from '../store/oauth-rows.ts';
import { installedDescriptor } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';

export function securityEventSequence(parts: HostParts): InTurn<DueSecurityEvent> {
  const { store, settings } = parts;
  return new InTurn({
    name: 'security events',
    clock: settings.clock,
    log: settings.log,
    due: (now, limit) => store.securityEvents.due(now, limit),
    nextDueAt: () => store.securityEvents.nextDueAt(),
    lineOf: (event) => event.clientId,
    work: async (event) => {
      await tell(event, parts);
      return 0;
    },
  });
}

async function tell(event: DueSecurityEvent, parts: HostParts): Promise<void> {
  const { store, settings, outbound } = parts;
  const url = await addressOf(event, parts);
  if (url === undefined) return store.securityEvents.drop(event.id);
  const { kid, privateKey } = await parts.installKey();
  const number = event.attempts + 1;
  const { outcome, attempt } = await pushSecurityEvent(outbound, {
    url,
    token: securityEventToken(event, { issuer: settings.baseUrl, kid, privateKey }),
    number,
    at: settings.clock.now(),
  });
  const wait = retryDelayMs(number, settings.random());
  const isOver = outcome === 'refused' || number >= MAX_ATTEMPTS || wait === undefined;
  await store.securityEvents.record(
    event.id,
    outcome === 'accepted'
      ? { state: 'accepted' }
      : isOver
        ? { state: 'failed' }
        : { state: 'owed', dueAt: settings.clock.now() + wait },
    attempt,
  );
}

/** As it is registered, or declared by the descriptor in force, at this moment. */
async function addressOf(event: DueSecurityEvent, parts: HostParts): Promise<string | undefined> {
  if (event.installationId === null) return event.eventsUri ?? undefined;
  const installation = await parts.store.installations.find(event.installationId);
  const isInstalled = installation?.state === 'enabled' || installation?.state === 'disabled';
  return isInstalled ? installedDescriptor(installation, parts)?.authorizationRevoked : undefined;
}
