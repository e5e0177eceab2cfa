// Webhooks: events the platform has, covered by the scopes asked for. A named event without its scope is
// refused, since it could never arrive; a wildcard is filtered by what is granted.
import { escapePointer } from '../../core/json-source.ts';
import { shownUrl } from '../../core/shown-url.ts';
import { didYouMean } from '../../core/suggest.ts';
import { scopesOf } from '../read.ts';
import { webhooksOf } from '../webhooks.ts';
import type { RuleContext } from './context.ts';

const KNOWN_FIELDS = new Set(['event', 'url', 'key', 'name', 'params', 'conditions']);

export function webhooksRule(context: RuleContext): void {
  const asked = scopesOf(context.document, context.platform);
  const seen = new Set<string>();
  for (const { item, pointer } of webhooksOf(context.document)) {
    checkEvent(context, item.event, `${pointer}/event`, asked);
    context.checkAddress(item.url, `${pointer}/url`);
    const name = `${item.event} ${item.url}`;
    if (seen.has(name))
      context.warn(
        pointer,
        'webhook_repeated',
        `"${item.event}" is sent to "${shownUrl(String(item.url))}" already.`,
      );
    seen.add(name);
    for (const field of Object.keys(item)) {
      if (KNOWN_FIELDS.has(field) || field.startsWith('x-')) continue;
      context.warn(
        `${pointer}/${escapePointer(field)}`,
        'webhook_field_ignored',
        `"${field}" of a webhook is ignored: every "${item.event}" that is granted is sent.`,
      );
    }
  }
}

function checkEvent(context: RuleContext, event: unknown, pointer: string, asked: string[]): void {
  if (typeof event !== 'string' || event === '') return;
  const { events, scopes } = context.platform;
  if (event === '*') {
    if (![...events.values()].some((type) => scopes.covers(asked, type.scope))) {
      context.warn(
        pointer,
        'webhook_never_sent',
        'The scopes asked for cover no event type, so "*" matches nothing.',
        'Ask for the scope of the events you want.',
      );
    }
    return;
  }
  const type = events.get(event);
  if (!type) {
    context.error(
      pointer,
      'event_unknown',
      `"${event}" is not an event type of this platform.`,
      didYouMean(event, events.keys()) ?? 'All event types: GET /operator/v1/event-types',
    );
  } else if (!scopes.covers(asked, type.scope)) {
    const place =
      context.document.scopes === undefined ? '' : ` (line ${context.lineOf('/scopes')})`;
    context.error(
      pointer,
      'event_needs_scope',
      `The webhook asks for "${event}", which needs scope "${type.scope}"; the descriptor does not ask for it.`,
      `Add "${type.scope}" to "scopes"${place}, or remove this webhook.`,
    );
  }
}
