// /metrics, for Prometheus: bearer token as its scrape_configs send it (`authorization: {credentials_file: …}`).
import { BlockList, isIPv6 } from 'node:net';
import type Router from '@koa/router';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { secretEquals } from '../../core/secrets.ts';
import type { HostParts } from '../../host/parts.ts';

export function metricsRoute(router: Router, parts: HostParts): void {
  const { metricsToken, operatorToken, isDev } = parts.settings;
  const tokens = [metricsToken, operatorToken].filter((token) => token !== undefined);
  router.get('/metrics', async (ctx) => {
    if (!(isDev && isLocal(ctx))) requireToken(ctx, tokens);
    ctx.body = await parts.metrics.text();
    ctx.type = parts.metrics.contentType;
  });
}

function requireToken(ctx: Context, tokens: string[]): void {
  const given = /^Bearer +(\S+)$/i.exec(ctx.get('authorization'))?.[1];
  if (given !== undefined && tokens.some((token) => secretEquals(given, token))) return;
  ctx.set('WWW-Authenticate', 'Bearer realm="metrics"');
  throw new MortiseError({
    code: given === undefined ? 'metrics_token_missing' : 'metrics_token_wrong',
    status: 401,
    message:
      given === undefined
        ? 'The metrics need a token.'
        : 'This is neither the metrics token nor the operator token.',
    hint: 'Send "Authorization: Bearer …" with the value of MORTISE_METRICS_TOKEN, or the operator token.',
  });
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** By the connection itself, not by what a proxy says; behind one everybody is local, which only dev may be. */
function isLocal({ req }: Context): boolean {
  const address = req.socket.remoteAddress ?? '';
  return LOOPBACK.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
