// Rows as the operator API shows them: no secrets, ISO times.
import { isoTime } from '../../core/clock.ts';
import { spanOf } from '../../core/trace.ts';
import { type DeliveryReport, deliveryReport } from '../../host/delivery-health.ts';
import { installedDescriptor } from '../../host/lifecycle-call.ts';
import type { HostParts } from '../../host/parts.ts';
import type { RotatedSecrets } from '../../host/rotate-secret.ts';
import type { TestedWebhook } from '../../host/test-delivery.ts';
import type { Delivery, DeliveryView, ExchangeRecord, InstallationRow } from '../../store/rows.ts';

export async function installationView(
  row: InstallationRow,
  parts: HostParts,
): Promise<Record<string, unknown>> {
  const grant = await parts.store.installations.findGrant(row.id);
  const descriptor = installedDescriptor(row, parts);
  const webhooks = await parts.store.installations.findWebhooks(row.id);
  return {
    id: row.id,
    addonKey: row.addonKey,
    name: descriptor?.name ?? row.addonKey,
    context: row.context === '' ? null : row.context,
    state: row.state,
    clientKey: row.clientKey,
    oauthClientId: row.oauthClientId,
    scopes: grant?.scopes ?? [],
    requestedScopes: descriptor?.scopes ?? [],
    resources: grant?.resources ?? null,
    baseUrl: row.baseUrl,
    descriptorUrl: row.descriptorUrl,
    descriptorVersion: row.descriptorVersion,
    webhooks: webhooks.map(({ id, event, url }) => ({ id, event, url })),
    delivery: deliveryReportView(await deliveryReport(row.id, parts)),
    installedAt: time(row.installedAt),
    uninstalledAt: time(row.uninstalledAt),
    createdAt: isoTime(row.createdAt),
    updatedAt: isoTime(row.updatedAt),
  };
}

/** How its deliveries fare. */
export function deliveryReportView(report: DeliveryReport): Record<string, unknown> {
  const { state, since, failures, nextProbeAt, silentUntil, webhooksOff } = report;
  return {
    state,
    since: time(since),
    failures,
    nextProbeAt: time(nextProbeAt),
    silentUntil: time(silentUntil),
    webhooksOff: webhooksOff.map((webhook) => ({ ...webhook, since: isoTime(webhook.since) })),
  };
}

/** What was sent to try a webhook, and what came back. */
export function testedView(tested: TestedWebhook): Record<string, unknown> {
  const { webhookId, eventType, method, url, headers, body, outcome } = tested;
  const { status, reason, message, responseExcerpt, durationMs } = outcome;
  return {
    webhookId,
    eventType,
    sent: { method, url, headers, body },
    status,
    error: reason,
    message,
    excerpt: responseExcerpt,
    durationMs,
  };
}

export function exchangeView(exchange: ExchangeRecord): Record<string, unknown> {
  const { kind, attempt, method, url, status, errorCode, message, excerpt, at, durationMs } =
    exchange;
  return {
    kind,
    attempt,
    method,
    url,
    status,
    error: errorCode,
    message,
    excerpt,
    at: isoTime(at),
    durationMs,
  };
}

/** No secret: those are told to the add-on alone. */
export function rotationView({
  rotatedAt,
  previousValidUntil,
  exchange,
}: RotatedSecrets): Record<string, unknown> {
  return {
    rotatedAt: isoTime(rotatedAt),
    previousValidUntil: isoTime(previousValidUntil),
    exchange: exchangeView(exchange),
  };
}

/** One delivery; with its attempts where they were read. */
export function deliveryView(delivery: Delivery | DeliveryView): Record<string, unknown> {
  const {
    id,
    installationId,
    addonKey,
    context,
    webhookId,
    eventId,
    eventType,
    state,
    reason,
    withheld,
    replayId,
  } = delivery;
  return {
    id,
    installationId,
    addonKey,
    context: context === '' ? null : context,
    webhookId,
    eventId,
    eventType,
    state,
    reason,
    withheld,
    replayId,
    attemptCount: delivery.attempts,
    createdAt: isoTime(delivery.createdAt),
    nextAttemptAt: time(delivery.nextAttemptAt),
    endedAt: time(delivery.endedAt),
    ...('log' in delivery && {
      traceId: delivery.traceId,
      attempts: delivery.log.map(({ at, nextDueAt, ...attempt }) => ({
        ...attempt,
        spanId: attempt.number === 0 ? null : spanOf(id, at),
        at: isoTime(at),
        nextAttemptAt: time(nextDueAt),
      })),
    }),
  };
}

export function time(ms: number | null): string | null {
  return ms === null ? null : isoTime(ms);
}
