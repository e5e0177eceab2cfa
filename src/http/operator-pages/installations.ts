// /operator/installations: what is installed; disable, enable, rotate secrets, uninstall.
import type Router from '@koa/router';
import { MortiseError } from '../../core/errors.ts';
import { changeInstallation } from '../../host/change-installation.ts';
import { deliveryReport } from '../../host/delivery-health.ts';
import { installedDescriptor } from '../../host/lifecycle-call.ts';
import type { HostParts } from '../../host/parts.ts';
import { recover } from '../../host/recover.ts';
import { rotateSecret } from '../../host/rotate-secret.ts';
import { groupScopes } from '../../host/scope-view.ts';
import { installationNotFound, uninstall } from '../../host/uninstall.ts';
import type { ExchangeRecord, InstallationRow } from '../../store/rows.ts';
import { frameOf } from '../browser/frame.ts';
import { sendPage } from '../browser/page.ts';
import { sessionOf } from '../browser/session.ts';
import { minute } from '../browser/times.ts';
import { ConfirmPage } from '../pages/confirm-page.tsx';
import type { ExchangeView } from '../pages/exchange.tsx';
import { InstallationPage } from '../pages/installation-page.tsx';
import { type InstallationItem, InstallationsPage } from '../pages/installations-page.tsx';
import { asMortiseError } from '../problem.ts';
import { INSTALLATIONS, operatorPages, type Post, seeOther, type Visit } from './visit.ts';

const PAGE = 50;
const EXCHANGES = 20;
const SAID: Record<string, string> = {
  installed: 'Installed. What was sent and what the add-on answered is below.',
  enabled: 'Enabled. The add-on is told, and receives events again.',
  disabled: 'Disabled. Its tokens are refused, and it receives no events.',
  rotated:
    'The add-on has new secrets; the old ones are good for a day more. What it answered is below.',
  recovered: 'What is owed to it is sent at once, and its webhooks are on.',
  uninstalled: 'Uninstalled. Its tokens are dead, and nothing more is sent to it.',
};

export function installationPageRoutes(router: Router, parts: HostParts): void {
  const { show, take } = operatorPages(router, parts);
  show('/operator', async ({ ctx }) => seeOther(ctx, INSTALLATIONS));
  show(INSTALLATIONS, list);
  show(`${INSTALLATIONS}/:id`, (visit) => showOne(visit));
  take(`${INSTALLATIONS}/:id/state`, changeState);
  take(`${INSTALLATIONS}/:id/rotate-secret`, rotate);
  take(`${INSTALLATIONS}/:id/recover`, async ({ ctx }) => {
    const id = ctx.params.id!;
    await recover(id, {}, parts);
    seeOther(ctx, `${INSTALLATIONS}/${id}?done=recovered`);
  });
  show(`${INSTALLATIONS}/:id/uninstall`, confirmUninstall);
  take(`${INSTALLATIONS}/:id/uninstall`, async ({ ctx }) => {
    await uninstall(ctx.params.id!, parts);
    seeOther(ctx, `${INSTALLATIONS}?done=uninstalled`);
  });
}

async function list({ ctx, parts }: Visit): Promise<void> {
  const after = ctx.query.after === undefined ? undefined : String(ctx.query.after);
  const rows = await parts.store.installations.list({ after, limit: PAGE + 1 });
  const page = rows.slice(0, PAGE);
  sendPage(
    ctx,
    InstallationsPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      items: await Promise.all(page.map((row) => itemOf(row, parts))),
      next: rows.length > PAGE ? `${INSTALLATIONS}?after=${page.at(-1)!.id}` : undefined,
      said: SAID[String(ctx.query.done ?? '')],
    }),
  );
}

async function showOne(visit: Visit, error?: MortiseError): Promise<void> {
  const { ctx, parts } = visit;
  const row = await find(visit);
  const item = await itemOf(row, parts);
  const exchanges = await parts.store.lifecycle.exchanges(row.id, EXCHANGES);
  sendPage(
    ctx,
    InstallationPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      item,
      groups: groupScopes(item.scopes, parts.settings.platform),
      delivery: await deliveryReport(row.id, parts),
      exchanges: exchanges.map(exchangeOf),
      said: SAID[String(ctx.query.done ?? '')],
      problem: error,
    }),
    { status: error?.status },
  );
}

/** What the add-on answered is on the page either way. */
async function rotate(post: Post): Promise<void> {
  const { ctx, parts } = post;
  const id = ctx.params.id!;
  try {
    await rotateSecret(id, parts);
  } catch (error) {
    if (!(error instanceof MortiseError) || error.code === 'installation_not_found') throw error;
    return showOne(post, asMortiseError(error, parts.settings.log));
  }
  seeOther(ctx, `${INSTALLATIONS}/${id}?done=rotated`);
}

async function changeState({ ctx, parts, form }: Post): Promise<void> {
  const state = form.get('state') === 'enabled' ? 'enabled' : 'disabled';
  const { id } = await changeInstallation(ctx.params.id!, { state }, parts);
  seeOther(ctx, `${INSTALLATIONS}/${id}?done=${state}`);
}

async function confirmUninstall(visit: Visit): Promise<void> {
  const { ctx, parts } = visit;
  const row = await find(visit);
  const { id, name, context } = await itemOf(row, parts);
  sendPage(
    ctx,
    ConfirmPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      verb: 'Uninstall',
      name,
      consequences: [
        `Its access${context && ` to ${context}`} ends at once: no token works, no event is sent.`,
        'What is still owed to it is dropped. Then the add-on is told that it was uninstalled.',
        'It can be installed again, and keeps its client key then.',
      ],
      action: `${INSTALLATIONS}/${id}/uninstall`,
      back: `${INSTALLATIONS}/${id}`,
    }),
  );
}

async function itemOf(row: InstallationRow, parts: HostParts): Promise<InstallationItem> {
  const grant = await parts.store.installations.findGrant(row.id);
  return {
    id: row.id,
    name: installedDescriptor(row, parts)?.name ?? row.addonKey,
    addonKey: row.addonKey,
    context: row.context,
    state: row.state,
    origin: row.baseUrl === null ? null : new URL(row.baseUrl).origin,
    scopes: grant?.scopes ?? [],
    resources: grant?.resources ?? null,
    installed: row.installedAt === null ? null : minute(row.installedAt),
  };
}

export function exchangeOf(record: ExchangeRecord): ExchangeView {
  return { ...record, at: minute(record.at) };
}

/** @throws installation_not_found */
async function find({ ctx, parts }: Visit): Promise<InstallationRow> {
  const row = await parts.store.installations.find(ctx.params.id!);
  if (!row) throw installationNotFound(ctx.params.id!);
  return row;
}
