// /account/consumers: a user registers, changes and deletes OAuth consumers. Each is its registrant's alone.
import type Router from '@koa/router';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import {
  changeConsumer,
  consumerNotFound,
  registerConsumer,
  removeConsumer,
  rotateConsumerSecret,
  upgradeConsumer,
} from '../../host/consumers.ts';
import type { User } from '../../host/options.ts';
import type { HostParts } from '../../host/parts.ts';
import { groupScopes } from '../../host/scope-view.ts';
import type { Consumer } from '../../store/oauth-rows.ts';
import { readForm } from '../body.ts';
import { frameOf } from '../browser/frame.ts';
import { sendPage } from '../browser/page.ts';
import { toSignIn } from '../browser/pages.ts';
import { requireOwnForm, sessionOf } from '../browser/session.ts';
import { day } from '../browser/times.ts';
import { ConfirmPage } from '../pages/confirm-page.tsx';
import type { ConsumerInput } from '../pages/consumer-fields.tsx';
import { ConsumerPage } from '../pages/consumer-page.tsx';
import { ConsumerSecretPage } from '../pages/consumer-secret-page.tsx';
import { ConsumersPage } from '../pages/consumers-page.tsx';
import { type NewConsumerInput, NewConsumerPage } from '../pages/new-consumer-page.tsx';
import { linesOf, readConsumerForm } from './consumer-form.ts';
import { ownersOf, requireOwner } from './owners.ts';

const PAGE = 50;
const LIST = '/account/consumers';

type Visit = { ctx: Context & { params: Record<string, string> }; user: User; parts: HostParts };
type Post = Visit & { form: ReadonlyMap<string, string> };

export function accountConsumerRoutes(router: Router, parts: HostParts): void {
  const show = (path: string, page: (visit: Visit) => Promise<void>) =>
    router.get(path, async (ctx) => {
      const { user } = sessionOf(ctx);
      if (!user) return toSignIn(ctx, parts);
      await page({ ctx, user, parts });
    });
  const take = (path: string, act: (post: Post) => Promise<void>) =>
    router.post(path, async (ctx) => {
      const session = sessionOf(ctx);
      if (!session.user) return toSignIn(ctx, parts, LIST);
      const form = await readForm(ctx);
      requireOwnForm(ctx, session, form, parts);
      await act({ ctx, user: session.user, parts, form });
    });

  show(LIST, list);
  show(`${LIST}/new`, (visit) =>
    showNew(visit, {
      name: '',
      redirectUris: '',
      eventsUri: '',
      scopes: [],
      owner: '',
      isPublic: false,
    }),
  );
  take(LIST, register);
  show(`${LIST}/:id`, async (visit) => {
    const consumer = await ownConsumer(visit);
    showOne(visit, consumer, inputOf(consumer));
  });
  take(`${LIST}/:id`, change);
  take(`${LIST}/:id/upgrade`, upgrade);
  take(`${LIST}/:id/secret`, rotate);
  show(`${LIST}/:id/delete`, confirmRemoval);
  take(`${LIST}/:id/delete`, async (post) => {
    await removeConsumer((await ownConsumer(post)).id, parts);
    seeOther(post.ctx, `${LIST}?done=deleted`);
  });
}

async function list({ ctx, user, parts }: Visit): Promise<void> {
  const after = ctx.query.after === undefined ? undefined : String(ctx.query.after);
  const rows = await parts.store.consumers.list({ ownerUser: user.id, after, limit: PAGE + 1 });
  const page = rows.slice(0, PAGE);
  sendPage(
    ctx,
    ConsumersPage({
      frame: frameOf(ctx, parts),
      items: page.map(({ ownerContext, createdAt, ...consumer }) => ({
        ...consumer,
        owner: ownerContext,
        since: day(createdAt),
      })),
      next: rows.length > PAGE ? `${LIST}?after=${encodeURIComponent(page.at(-1)!.id)}` : undefined,
      said:
        ctx.query.done === 'deleted' ? 'The consumer is deleted. Its tokens are dead.' : undefined,
    }),
  );
}

async function showNew(visit: Visit, input: NewConsumerInput, error?: MortiseError): Promise<void> {
  const { ctx, user, parts } = visit;
  sendPage(
    ctx,
    NewConsumerPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      input,
      owners: await ownersOf(user, sessionOf(ctx), parts),
      groups: allScopes(parts),
      problem: error,
    }),
    { status: error?.status },
  );
}

async function register(post: Post): Promise<void> {
  const { ctx, user, parts, form } = post;
  const input = {
    ...readConsumerForm(form),
    owner: (form.get('owner') ?? '').trim(),
    isPublic: form.get('kind') === 'public',
  };
  try {
    requireOwner(input.owner, await ownersOf(user, sessionOf(ctx), parts));
    const { consumer, clientSecret } = await registerConsumer(
      {
        ...input,
        redirectUris: linesOf(input.redirectUris),
        eventsUri: input.eventsUri || undefined,
        ownerUser: user.id,
      },
      parts,
    );
    const { id, name } = consumer;
    sendPage(
      ctx,
      ConsumerSecretPage({ frame: frameOf(ctx, parts), id, name, secret: clientSecret }),
      { status: 201 },
    );
  } catch (error) {
    await showNew(post, input, refusalOf(error));
  }
}

function showOne(
  { ctx, parts }: Visit,
  consumer: Consumer,
  input: ConsumerInput,
  { error, said }: { error?: MortiseError; said?: string } = {},
): void {
  sendPage(
    ctx,
    ConsumerPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      id: consumer.id,
      name: consumer.name,
      isPublic: consumer.isPublic,
      isGrandfathered: consumer.scopes === null,
      isOauth1: consumer.isOauth1,
      owner: consumer.ownerContext,
      input,
      groups: allScopes(parts),
      problem: error,
      said: said ?? (ctx.query.done === 'saved' ? 'Saved.' : undefined),
    }),
    { status: error?.status },
  );
}

async function change(post: Post): Promise<void> {
  const { ctx, user, parts, form } = post;
  const consumer = await ownConsumer(post);
  const input = readConsumerForm(form);
  const staysUnlimited = consumer.scopes === null && input.keepsAll;
  try {
    requireOwner(consumer.ownerContext, await ownersOf(user, sessionOf(ctx), parts));
    await changeConsumer(
      consumer.id,
      {
        name: input.name,
        redirectUris: linesOf(input.redirectUris),
        eventsUri: input.eventsUri || null,
        ...(!staysUnlimited && { scopes: input.scopes }),
      },
      parts,
    );
    seeOther(ctx, `${pathOf(consumer)}?done=saved`);
  } catch (error) {
    showOne(post, consumer, input, { error: refusalOf(error) });
  }
}

/** OAuth 1.0a is closed for it, its scopes are named; what it used tells whether they are enough. */
async function upgrade(post: Post): Promise<void> {
  const { ctx, user, parts, form } = post;
  const before = await ownConsumer(post);
  const input = readConsumerForm(form);
  try {
    requireOwner(before.ownerContext, await ownersOf(user, sessionOf(ctx), parts));
    const { consumer, used } = await upgradeConsumer(before.id, input.scopes, parts);
    const told = used.map(({ scope, isCovered }) =>
      isCovered ? scope : `${scope} (no longer allowed)`,
    );
    const said = `Upgraded to OAuth 2. ${told.length === 0 ? 'It has used nothing so far.' : `It has used: ${told.join(', ')}.`}`;
    showOne(post, consumer, inputOf(consumer), { said });
  } catch (error) {
    showOne(post, before, input, { error: refusalOf(error) });
  }
}

async function rotate(post: Post): Promise<void> {
  const { ctx, user, parts } = post;
  const consumer = await ownConsumer(post);
  const { id, name } = consumer;
  try {
    requireOwner(consumer.ownerContext, await ownersOf(user, sessionOf(ctx), parts));
    const secret = await rotateConsumerSecret(id, parts);
    sendPage(
      ctx,
      ConsumerSecretPage({ frame: frameOf(ctx, parts), id, name, secret, isReplaced: true }),
    );
  } catch (error) {
    showOne(post, consumer, inputOf(consumer), { error: refusalOf(error) });
  }
}

async function confirmRemoval(visit: Visit): Promise<void> {
  const { ctx, parts } = visit;
  const consumer = await ownConsumer(visit);
  sendPage(
    ctx,
    ConfirmPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      verb: 'Delete',
      name: consumer.name,
      consequences: [
        'Everybody’s grants to it end, and every token it has is dead at once.',
        'Its client id and secret work no more. This cannot be undone.',
      ],
      action: `${pathOf(consumer)}/delete`,
      back: pathOf(consumer),
    }),
  );
}

/** Somebody else's is no business of this user, not even that it exists. @throws consumer_not_found */
async function ownConsumer({ ctx, user, parts }: Visit): Promise<Consumer> {
  const consumer = await parts.store.consumers.find(ctx.params.id!);
  if (!consumer || consumer.ownerUser !== user.id) throw consumerNotFound(ctx.params.id!);
  return consumer;
}

function inputOf({ name, redirectUris, eventsUri, scopes }: Consumer): ConsumerInput {
  return {
    name,
    redirectUris: redirectUris.join('\n'),
    eventsUri: eventsUri ?? '',
    scopes: scopes ?? [],
    keepsAll: scopes === null,
  };
}

/** Every scope by itself: one that another implies can still be asked for alone. */
function allScopes({ settings: { platform } }: HostParts) {
  const names = [...platform.scopes.all.keys()];
  return groupScopes(names, platform, { optional: names });
}

function pathOf({ id }: Consumer): string {
  return `${LIST}/${encodeURIComponent(id)}`;
}

/** What the person can put right is said on the form; the rest is a failure. */
function refusalOf(error: unknown): MortiseError {
  if (error instanceof MortiseError && error.status < 500) return error;
  throw error;
}

function seeOther(ctx: Context, to: string): void {
  ctx.redirect(to);
  ctx.status = 303;
}
