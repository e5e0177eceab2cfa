// Counts what was answered at a door, whatever became of it behind.
import type { Context, Next } from 'koa';
import type { Metrics } from '../host/metrics.ts';

export function counted(door: string, metrics: Metrics) {
  return async (ctx: Context, next: Next): Promise<void> => {
    try {
      await next();
    } finally {
      metrics.answered(door, ctx.status);
    }
  };
}
