// "Why was this event not delivered?": for every installation that could have been told, what became of it and why,
// then and now. Read in pages and in chunks, however many installations there are.
import { redact } from '../platform/redact.ts';
import type { ToldFacts, ToldOf } from '../store/explanation-rows.ts';
import type { EventRow, Withheld } from '../store/rows.ts';
import {
  type ExplainedDelivery,
  type ExplainedState,
  type Explanation,
  explain,
  stateOf,
} from '../webhooks/explain.ts';
import {
  describe,
  describeApproval,
  describeBecause,
  describeDelivery,
} from '../webhooks/explain-words.ts';
import { type Because, type Standing, standingAt } from '../webhooks/standing.ts';
import { getEvent } from './get-event.ts';
import { installedDescriptor } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';
import { installationNotFound } from './uninstall.ts';

/** How many installations are looked at before others get a turn. */
const CHUNK = 250;

export interface ExplanationQuery {
  installationId?: string;
  state?: ExplainedState;
  after?: string;
  limit: number;
}

export interface EventExplanation {
  event: EventRow;
  /** How many installations, by what became of it. Null on later pages, and for one installation. */
  summary: Record<ExplainedState, number> | null;
  items: ExplainedInstallation[];
  next: string | null;
}

/** One moment: would it be sent, and if not, why? */
export type ExplainedMoment =
  | { wouldBeSent: true; withheld: Withheld[] }
  | { wouldBeSent: false; because: Because; message: string };

export interface ExplainedInstallation extends Omit<Explanation, 'today' | 'deliveries'> {
  installationId: string;
  addonKey: string;
  message: string;
  deliveries: (ExplainedDelivery & { message: string })[];
  whenPublished: ExplainedMoment;
  /** If it was published now. */
  today: ExplainedMoment;
  /** What is missing now. */
  needs: { scope: string } | { resource: string } | null;
  /** Where an operator can approve what is missing; null if nothing is, or the descriptor does not ask for it. */
  approveUrl: string | null;
}

/** @throws not_found (404), event_expired (410), installation_not_found (404) */
export async function explainEvent(
  id: string,
  query: ExplanationQuery,
  parts: HostParts,
): Promise<EventExplanation> {
  const event = await getEvent(id, parts);
  const { installationId, state, after, limit } = query;
  const isOne = installationId !== undefined;
  const page = isOne ? [installationId] : await findPage(event, query, parts);
  const facts = await parts.store.explanations.facts(event, page.slice(0, limit));
  if (isOne && facts.length === 0) throw installationNotFound(installationId);
  const explainer = new Explainer(event, parts);
  return {
    event,
    summary: isOne || after !== undefined ? null : await summarize(event, parts),
    items: facts
      .map((row) => explainer.explain(row))
      .filter((item) => state === undefined || item.state === state),
    next: page.length > limit ? page[limit - 1]! : null,
  };
}

/** The ids of one more than a page, if there are so many. */
async function findPage(
  event: EventRow,
  { state, after, limit }: ExplanationQuery,
  parts: HostParts,
): Promise<string[]> {
  const page: string[] = [];
  for await (const row of outcomes(event, state === undefined ? limit + 1 : CHUNK, parts, after)) {
    if (state === undefined || stateOf(row.states, row.isFanOutAhead) === state)
      page.push(row.installationId);
    if (page.length > limit) break;
  }
  return page;
}

async function summarize(
  event: EventRow,
  parts: HostParts,
): Promise<Record<ExplainedState, number>> {
  const count = { delivered: 0, owed: 0, failed: 0, dropped: 0, notSent: 0 };
  for await (const { states, isFanOutAhead } of outcomes(event, CHUNK, parts))
    count[stateOf(states, isFanOutAhead)]++;
  return count;
}

/** Of all installations, read in chunks; the event loop turns between them. */
async function* outcomes(
  event: EventRow,
  chunk: number,
  { store }: HostParts,
  after?: string,
): AsyncGenerator<ToldOf> {
  for (let from = after; ; ) {
    const rows = await store.explanations.outcomes(event, { after: from, limit: chunk });
    yield* rows;
    if (rows.length < chunk) return;
    from = rows.at(-1)!.installationId;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

class Explainer {
  readonly #event: EventRow;
  readonly #parts: HostParts;
  readonly #now: number;
  readonly #withheld = new Map<string, Withheld[]>();
  #payload: unknown;

  constructor(event: EventRow, parts: HostParts) {
    this.#event = event;
    this.#parts = parts;
    this.#now = parts.settings.clock.now();
  }

  explain(facts: ToldFacts): ExplainedInstallation {
    const event = this.#event;
    const { platform } = this.#parts.settings;
    const explanation = explain(event, facts, platform, this.#now);
    const needs = this.#needs(explanation.today);
    const approveUrl = needs && this.#approveUrl(needs, facts);
    const today = this.#moment(explanation.today, facts);
    const withheldToday = today.wouldBeSent ? today.withheld : [];
    const approval = needs ? ` ${describeApproval(approveUrl)}` : '';
    if (!today.wouldBeSent) today.message += approval;
    const isSoToday = reasonOf(explanation.today) === explanation.because?.reason;
    return {
      ...explanation,
      installationId: facts.installation.id,
      addonKey: facts.installation.addonKey,
      message: describe(explanation, { event, facts, platform }) + (isSoToday ? approval : ''),
      deliveries: explanation.deliveries.map((delivery) => ({
        ...delivery,
        // Of what was sent the log tells; of what will be, what holds now.
        withheld: delivery.wait ? withheldToday : delivery.withheld,
        message: describeDelivery(delivery),
      })),
      whenPublished: this.#moment(standingAt(event.createdAt, event, facts, platform), facts),
      today,
      needs,
      approveUrl,
    };
  }

  #moment(standing: Standing, facts: ToldFacts): ExplainedMoment {
    if (standing.wouldBeSent)
      return { wouldBeSent: true, withheld: this.#withheldFrom(standing.scopes) };
    const subject = { event: this.#event, facts, platform: this.#parts.settings.platform };
    return { ...standing, message: describeBecause(standing.because, subject) };
  }

  #needs(today: Standing): ExplainedInstallation['needs'] {
    if (today.wouldBeSent) return null;
    const { reason } = today.because;
    const { type, resource } = this.#event;
    if (reason === 'scope_not_granted' || reason === 'scope_revoked')
      return { scope: this.#parts.settings.platform.events.get(type)!.scope };
    if (reason === 'resource_not_granted' || reason === 'resource_revoked')
      return { resource: resource! };
    return null;
  }

  /** The page that asks for consent again; without an address to fetch the descriptor from, the installation's. */
  #approveUrl(
    needs: { scope: string } | { resource: string },
    { installation }: ToldFacts,
  ): string | null {
    const { platform, baseUrl } = this.#parts.settings;
    const { id, descriptorUrl, context } = installation;
    if ('scope' in needs) {
      const requested = installedDescriptor(installation, this.#parts)?.scopes ?? [];
      if (!platform.scopes.covers(requested, needs.scope)) return null;
    }
    const pages = `${baseUrl}/operator/installations`;
    return descriptorUrl === null
      ? `${pages}/${id}`
      : `${pages}/new?${new URLSearchParams({ descriptorUrl, context })}`;
  }

  /** Once for all who were granted the same. */
  #withheldFrom(scopes: string[]): Withheld[] {
    const key = scopes.join(' ');
    let withheld = this.#withheld.get(key);
    if (!withheld) {
      const { platform } = this.#parts.settings;
      const { fields } = platform.events.get(this.#event.type)!;
      this.#payload ??= JSON.parse(this.#event.payload.toString('utf8'));
      withheld = redact(this.#payload, fields, platform.scopes.closure(scopes)).withheld;
      this.#withheld.set(key, withheld);
    }
    return withheld;
  }
}

function reasonOf(standing: Standing): string | undefined {
  return standing.wouldBeSent ? undefined : standing.because.reason;
}
