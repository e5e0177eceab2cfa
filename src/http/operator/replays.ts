// POST /operator/v1/deliveries/{id}/replay · GET, POST /operator/v1/replays · GET, DELETE /operator/v1/replays/{id}

import type Router from '@koa/router';
import { isoTime } from '../../core/clock.ts';
import type { HostParts } from '../../host/parts.ts';
import {
  cancelReplay,
  countReplay,
  type ReplayRequest,
  type ReplayTotals,
  replayDelivery,
  replayNotFound,
  startReplay,
} from '../../host/replay.ts';
import type { EndedState, ReplayRow } from '../../store/replay-rows.ts';
import { readJsonObject, readOptionalJsonObject } from '../body.ts';
import {
  optionalBoolean,
  optionalOneOf,
  optionalString,
  optionalTime,
  optionalWholeNumber,
  refuseOthers,
} from '../fields.ts';
import { listPage } from '../list-page.ts';
import { time } from './views.ts';

export const ALLOWED = ['then-and-now', 'now'] as const;
const STATES = ['delivered', 'failed', 'dropped', 'any'] as const;
const MOST_PER_SECOND = 1_000;

export function replayRoutes(router: Router, parts: HostParts): void {
  router.post('/deliveries/:id/replay', async (ctx) => {
    const body = await readOptionalJsonObject(ctx);
    refuseOthers(body, ['newId', 'allowed']);
    const { id, replayId, alreadyDelivered } = await replayDelivery(
      ctx.params.id!,
      {
        newIds: optionalBoolean(body, 'newId'),
        allowed: optionalOneOf(body, 'allowed', ALLOWED),
      },
      parts,
    );
    ctx.status = 202;
    ctx.set('Location', `/operator/v1/replays/${replayId}`);
    ctx.body = {
      id,
      replayId,
      alreadyDelivered,
      warnings: warningsOf(alreadyDelivered ? 1 : 0, 1),
    };
  });

  router.post('/replays', async (ctx) => {
    const body = await readJsonObject(ctx);
    const request = readRequest(body);
    if (optionalBoolean(body, 'dryRun')) {
      ctx.body = totalsView(await countReplay(request, parts));
      return;
    }
    const replay = await startReplay(request, parts);
    ctx.status = 202;
    ctx.set('Location', `/operator/v1/replays/${replay.id}`);
    ctx.body = {
      ...replayView(replay),
      warnings: warningsOf(replay.alreadyDelivered, replay.total),
    };
  });

  router.get('/replays', async (ctx) => {
    ctx.body = await listPage(ctx.query, (page) => parts.store.replays.list(page), replayView);
  });

  router.get('/replays/:id', async (ctx) => {
    const replay = await parts.store.replays.find(ctx.params.id!);
    if (!replay) throw replayNotFound(ctx.params.id!);
    ctx.body = replayView(replay);
  });

  router.delete('/replays/:id', async (ctx) => {
    ctx.body = replayView(await cancelReplay(ctx.params.id!, parts));
  });
}

function readRequest(body: Record<string, unknown>): ReplayRequest {
  refuseOthers(body, [
    'installation',
    'eventType',
    'event',
    'since',
    'until',
    'state',
    'allowed',
    'newId',
    'perSecond',
    'dryRun',
  ]);
  return {
    installationId: optionalString(body, 'installation'),
    eventType: optionalString(body, 'eventType'),
    eventId: optionalString(body, 'event'),
    since: optionalTime(body, 'since'),
    until: optionalTime(body, 'until'),
    outcomes: outcomesOf(optionalOneOf(body, 'state', STATES)),
    allowed: optionalOneOf(body, 'allowed', ALLOWED),
    newIds: optionalBoolean(body, 'newId'),
    perSecond: optionalWholeNumber(body, 'perSecond', 1, MOST_PER_SECOND),
  };
}

function outcomesOf(state: (typeof STATES)[number] | undefined): EndedState[] | undefined {
  if (state === 'any') return ['delivered', 'failed', 'dropped'];
  return state === undefined ? undefined : [state];
}

function totalsView(totals: ReplayTotals): Record<string, unknown> {
  const { count, alreadyDelivered, skippedOwed, skippedExpired } = totals;
  return {
    count,
    alreadyDelivered,
    skipped: { owed: skippedOwed, eventExpired: skippedExpired },
    warnings: warningsOf(alreadyDelivered, count),
  };
}

export function replayView(replay: ReplayRow): Record<string, unknown> {
  const { done, delivered, failed, dropped } = replay;
  return {
    id: replay.id,
    state: replay.state,
    total: replay.total,
    done,
    alreadyDelivered: replay.alreadyDelivered,
    skipped: { owed: replay.skippedOwed, eventExpired: replay.skippedExpired },
    results: { delivered, failed, dropped, owed: done - delivered - failed - dropped },
    delivery: replay.deliveryId,
    installation: replay.installationId,
    eventType: replay.eventType,
    event: replay.eventId,
    since: time(replay.since),
    until: isoTime(replay.until),
    states: replay.outcomes,
    allowed: replay.allowed,
    newId: replay.newIds,
    perSecond: replay.perSecond,
    createdAt: isoTime(replay.createdAt),
    endedAt: time(replay.endedAt),
  };
}

/** An add-on that takes a repetition for news does something twice. */
function warningsOf(delivered: number, total: number): { code: string; message: string }[] {
  if (delivered === 0) return [];
  const some = total === 1 ? 'It was' : `${delivered} of ${total} were`;
  const message = `${some} delivered before; the add-on gets it again under the same webhook-id, unless "newId" is set.`;
  return [{ code: 'already_delivered', message }];
}
