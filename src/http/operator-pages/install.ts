// /operator/installations/new: an address → what the add-on asks for → approved → the handshake.
import type Router from '@koa/router';
import { MortiseError } from '../../core/errors.ts';
import type { Descriptor } from '../../descriptor/descriptor.ts';
import { install } from '../../host/install.ts';
import type { HostParts } from '../../host/parts.ts';
import { requireSameOrigin } from '../../host/same-origin.ts';
import { groupScopes } from '../../host/scope-view.ts';
import { planSubscriptions } from '../../host/subscriptions.ts';
import type { GrantRow } from '../../store/rows.ts';
import { chosen } from '../browser/chosen.ts';
import { frameOf } from '../browser/frame.ts';
import { sendPage } from '../browser/page.ts';
import { resourcesIn } from '../browser/resources.ts';
import { sessionOf } from '../browser/session.ts';
import type { ExchangeView } from '../pages/exchange.tsx';
import { InstallConsentPage } from '../pages/install-consent-page.tsx';
import { InstallFormPage, type InstallInput } from '../pages/install-form-page.tsx';
import { InstallRefusedPage } from '../pages/install-refused-page.tsx';
import type { Problem } from '../pages/notice.tsx';
import type { Resource } from '../pages/resource-choice.tsx';
import { type Proposal, readProposal, type Unusable } from './proposal.ts';
import { INSTALLATIONS, operatorPages, type Post, seeOther, type Visit } from './visit.ts';

export function installPageRoutes(router: Router, parts: HostParts): void {
  const { show, take } = operatorPages(router, parts);
  show(`${INSTALLATIONS}/new`, (visit) => {
    const { descriptorUrl = '', context = '' } = visit.ctx.query;
    return showForm(visit, { descriptorUrl: String(descriptorUrl), context: String(context) });
  });
  take(`${INSTALLATIONS}/new`, async (post) => {
    const input = inputOf(post);
    const read = await readProposal(input, parts);
    if ('problem' in read) await showForm(post, input, read);
    else await showConsent(post, input, read);
  });
  take(INSTALLATIONS, approve);
}

async function approve(post: Post): Promise<void> {
  const { ctx, parts, form } = post;
  const input = inputOf(post);
  const read = await readProposal(input, parts);
  if ('problem' in read) return showForm(post, input, read);
  const answer = {
    resources: form.get('where') === 'chosen' ? chosen(form, 'resource.') : null,
    acceptNewOrigin: form.has('acceptNewOrigin'),
  };
  const objection =
    read.descriptor.digest !== form.get('digest')
      ? CHANGED
      : answer.resources?.length === 0
        ? NOTHING_CHOSEN
        : undefined;
  if (objection) return showConsent(post, input, read, { ...answer, objection });
  try {
    const { installation } = await install(
      {
        ...input,
        descriptor: read.source,
        resources: answer.resources ?? undefined,
        acceptNewOrigin: answer.acceptNewOrigin,
      },
      parts,
    );
    seeOther(ctx, `${INSTALLATIONS}/${installation.id}?done=installed`);
  } catch (error) {
    if (!(error instanceof MortiseError)) throw error;
    if (error.code === 'install_refused') return showRefused(post, input, read, answer, error);
    if (error.status >= 500) throw error;
    const objection =
      error.code === 'addon_key_taken'
        ? NOT_CONFIRMED
        : { ...problemOf(error), status: error.status };
    await showConsent(post, input, read, { ...answer, objection });
  }
}

type Objection = Problem & { status: number };

const CHANGED: Objection = {
  status: 409,
  message: 'The descriptor has changed since it was shown, so nothing was installed.',
  hint: 'This is what it asks for now. Look at it again before you approve it.',
};
const NOT_CONFIRMED: Objection = {
  status: 409,
  message: 'Another origin has this add-on’s key, so nothing was installed.',
  hint: 'If the move is meant, say so below.',
};
const NOTHING_CHOSEN: Objection = {
  status: 422,
  message: 'Only some resources were to be chosen, but none is ticked, so nothing was installed.',
  hint: 'Tick at least one, or choose everything.',
};

async function showForm(visit: Visit, input: InstallInput, unusable?: Unusable): Promise<void> {
  const { ctx, user, parts } = visit;
  const { platform, directory } = parts.settings;
  const kinds = Object.entries(platform.definition.contexts ?? {});
  sendPage(
    ctx,
    InstallFormPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      input,
      contextKinds: kinds.map(([name, { title }]) => title ?? name),
      contexts: (await directory?.contexts(user)) ?? [],
      ...unusable,
    }),
    { status: unusable ? 422 : 200 },
  );
}

async function showConsent(
  visit: Visit,
  input: InstallInput,
  proposal: Proposal,
  again?: { resources: string[] | null; objection: Objection },
): Promise<void> {
  const { ctx, parts } = visit;
  const { platform } = parts.settings;
  const { descriptor, text, warnings } = proposal;
  const before = await grantBefore(descriptor, input.context, parts);
  const { origin } = new URL(descriptor.baseUrl);
  const published = new URL(input.descriptorUrl).origin;
  sendPage(
    ctx,
    InstallConsentPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      proposed: { ...input, digest: descriptor.digest },
      addon: { ...descriptor, origin },
      foreignOrigin: published === origin ? undefined : published,
      groups: groupScopes(descriptor.scopes, platform, { granted: before?.scopes }),
      told: toldOf(descriptor, parts),
      resources: await resourcesOf(input.context, before, parts),
      chosen: again ? again.resources : (before?.resources ?? null),
      ending: before?.scopes.filter((scope) => !platform.scopes.covers(descriptor.scopes, scope)),
      moved: await movedFrom(input, descriptor, parts),
      warnings,
      text,
      problem: again?.objection,
    }),
    { status: again?.objection.status },
  );
}

function showRefused(
  { ctx, parts }: Visit,
  input: InstallInput,
  { descriptor }: Proposal,
  answer: { resources: string[] | null; acceptNewOrigin: boolean },
  error: MortiseError,
): void {
  const exchange = error.extensions.exchange as Omit<ExchangeView, 'id' | 'kind'> | undefined;
  sendPage(
    ctx,
    InstallRefusedPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      proposed: { ...input, digest: descriptor.digest },
      addonName: descriptor.name,
      chosen: answer.resources,
      acceptsNewOrigin: answer.acceptNewOrigin,
      problem: { message: error.message, hint: 'Ask its author, or try again.' },
      exchange: exchange && { ...exchange, id: '', kind: 'installed' },
    }),
    { status: error.status },
  );
}

/** The grant in force; undefined for a first install. */
async function grantBefore(
  { key }: Descriptor,
  context: string,
  { store }: HostParts,
): Promise<GrantRow | undefined> {
  const row = await store.installations.findByAddon(key, context);
  const isInstalled = row?.state === 'enabled' || row?.state === 'disabled';
  return isInstalled ? store.installations.findGrant(row.id) : undefined;
}

/** As subscriptions are made: what it names or `*`, as far as the scopes reach. */
function toldOf({ webhooks, scopes }: Descriptor, { settings: { platform } }: HostParts) {
  const named = webhooks.map((webhook, i) => ({ ...webhook, id: String(i) }));
  const types = planSubscriptions(named, scopes, platform).map(({ eventType }) => eventType);
  return {
    isEverything: webhooks.some(({ event }) => event === '*'),
    events: [...new Set(types)].map((type) => ({
      type,
      title: platform.events.get(type)!.title,
    })),
  };
}

/** What the product names; and what was chosen before, or a re-install could not keep to it. */
async function resourcesOf(
  context: string,
  before: GrantRow | undefined,
  parts: HostParts,
): Promise<Resource[]> {
  const named = await resourcesIn([context], parts);
  const others = (before?.resources ?? []).filter((id) => !named.some((one) => one.id === id));
  return [...named, ...others.map((id) => ({ id, name: id }))];
}

async function movedFrom(
  { descriptorUrl, context }: InstallInput,
  descriptor: Descriptor,
  parts: HostParts,
): Promise<Problem | undefined> {
  try {
    await requireSameOrigin({ descriptorUrl }, descriptor, context, parts);
    return undefined;
  } catch (error) {
    if (error instanceof MortiseError && error.code === 'addon_key_taken') return problemOf(error);
    throw error;
  }
}

function inputOf({ form }: Post): InstallInput {
  return {
    descriptorUrl: (form.get('descriptorUrl') ?? '').trim(),
    context: (form.get('context') ?? '').trim(),
  };
}

function problemOf({ message, hint }: MortiseError): Problem {
  return { message, hint };
}
