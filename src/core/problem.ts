// Errors as RFC 9457 problem documents.
import type { Context } from 'koa';
import type { MortiseError } from './errors.ts';

export function toProblem(error: MortiseError): Record<string, unknown> {
  return {
    type: `urn:mortise:error:${error.code}`,
    title: error.message,
    status: error.status,
    code: error.code,
    detail: error.hint ? `${error.message} ${error.hint}` : error.message,
    ...(error.hint && { hint: error.hint }),
    ...(error.faults && { errors: error.faults }),
    ...error.extensions,
  };
}

export function writeProblem(ctx: Context, error: MortiseError): void {
  ctx.status = error.status;
  ctx.body = toProblem(error);
  ctx.type = 'application/problem+json';
}
