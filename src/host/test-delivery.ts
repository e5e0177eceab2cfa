// Tries an installation's webhooks with an event type's example, never with real data. Not in the log of deliveries:
// kept as an exchange, as the calls about the installation itself are.
import { MortiseError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { EventType } from '../platform/platform.ts';
import { acknowledgedSecrets, previousSecrets } from '../store/installation-secrets.ts';
import type { Recipient, WebhookRow } from '../store/rows.ts';
import { sendTest, type TestDelivery } from '../webhooks/test-delivery.ts';
import type { HostParts } from './parts.ts';
import { unknownEventType } from './replay.ts';
import { planSubscriptions } from './subscriptions.ts';
import { installationNotFound } from './uninstall.ts';

export interface TestRequest {
  /** Default: the first that a webhook is told of. */
  eventType?: string;
  /** Default: every webhook that is told of it. */
  webhookId?: string;
}

export interface TestedWebhook extends TestDelivery {
  webhookId: string;
  eventType: string;
}

/**
 * In every state but uninstalled, whatever the breaker says.
 * @throws installation_not_found, installation_not_installed, installation_changing (409), event_type_unknown,
 *   scope_not_granted, webhook_unknown, webhook_not_told (422)
 */
export async function testWebhooks(
  installationId: string,
  request: TestRequest,
  parts: HostParts,
): Promise<TestedWebhook[]> {
  const { store, settings, outbound } = parts;
  const { platform, clock } = settings;
  const recipient = await recipientOf(installationId, parts);
  const { eventType, webhooks } = decideTest(request, recipient, parts);
  const mayStart = () => store.deliveries.isCurrent(installationId, recipient.installation.epoch);
  return Promise.all(
    webhooks.map(async (webhook) => {
      const at = clock.now();
      const sent = await sendTest(eventType, recipient, webhook, {
        platform,
        outbound,
        now: at,
        mayStart,
      });
      if (!sent) throw changing(installationId);
      const { method, url, outcome } = sent;
      await store.lifecycle.addExchange({
        id: newId(),
        installationId,
        kind: 'test',
        attempt: 1,
        method,
        url,
        status: outcome.status,
        errorCode: outcome.reason,
        message: outcome.message,
        excerpt: outcome.responseExcerpt,
        at,
        durationMs: outcome.durationMs,
      });
      return { ...sent, webhookId: webhook.id, eventType: eventType.type };
    }),
  );
}

async function recipientOf(id: string, { store, box, settings }: HostParts) {
  const recipient = await store.deliveries.recipient(id);
  if (!recipient) throw installationNotFound(id);
  const { installation, grant } = recipient;
  const secrets = acknowledgedSecrets(box, installation);
  const isInstalled = installation.state === 'enabled' || installation.state === 'disabled';
  if (!isInstalled || !grant || !secrets) {
    throw new MortiseError({
      code: 'installation_not_installed',
      status: 409,
      message: `The installation "${id}" is ${installation.state}, so nothing is sent to it.`,
      hint: 'Install the add-on first.',
    });
  }
  const scopes = settings.platform.scopes.closure(grant.scopes);
  const previous = previousSecrets(box, installation);
  return { ...recipient, secrets, previous, scopes };
}

/** Which example goes to which webhooks. */
function decideTest(
  request: TestRequest,
  recipient: Recipient & { scopes: ReadonlySet<string> },
  parts: HostParts,
): { eventType: EventType; webhooks: WebhookRow[] } {
  const { platform } = parts.settings;
  const all = [...recipient.webhooks.values()].filter(({ until }) => until === null);
  const asked = request.webhookId === undefined ? all : all.filter(isAsked);
  if (asked.length === 0) throw noWebhook(request.webhookId);
  const told = planSubscriptions(asked, [...recipient.scopes], platform);
  const type = request.eventType ?? told[0]?.eventType ?? firstOf(asked, parts);
  const eventType = platform.events.get(type);
  if (!eventType) throw unknownEventType(type, parts);
  if (!recipient.scopes.has(eventType.scope)) throw notCovered(eventType);
  const ids = told.filter((s) => s.eventType === type).map(({ webhookId }) => webhookId);
  const webhooks = asked.filter(({ id }) => ids.includes(id));
  if (webhooks.length === 0) throw notTold(type, asked);
  return { eventType, webhooks };

  function isAsked({ id }: WebhookRow): boolean {
    return id === request.webhookId;
  }
}

/** Of what the scopes do not cover, for the sentence that says so. */
function firstOf(webhooks: WebhookRow[], { settings }: HostParts): string {
  const named = webhooks.find(({ event }) => event !== '*')?.event;
  return named ?? [...settings.platform.events.keys()][0]!;
}

function notCovered({ type, scope }: EventType): MortiseError {
  return new MortiseError({
    code: 'scope_not_granted',
    status: 422,
    message: `"${type}" needs scope "${scope}", which is not granted; nothing was sent.`,
    hint: `Grant "${scope}", or try an event type that is covered.`,
    extensions: { scope },
  });
}

function noWebhook(id: string | undefined): MortiseError {
  return new MortiseError({
    code: 'webhook_unknown',
    status: 422,
    message:
      id === undefined
        ? 'The add-on declares no webhook, so there is nothing to try.'
        : `The add-on declares no webhook "${id}".`,
    hint: 'The installation shows its webhooks with their ids.',
  });
}

function notTold(type: string, webhooks: WebhookRow[]): MortiseError {
  const events = [...new Set(webhooks.map(({ event }) => event))].join(', ');
  return new MortiseError({
    code: 'webhook_not_told',
    status: 422,
    message: `No webhook that was asked for is told of "${type}"; nothing was sent.`,
    hint: `They are told of: ${events}.`,
  });
}

function changing(id: string): MortiseError {
  return new MortiseError({
    code: 'installation_changing',
    status: 409,
    message: `The installation "${id}" was changed while it was being called; nothing was sent.`,
    hint: 'Look at it again, and repeat what is still wanted.',
  });
}
