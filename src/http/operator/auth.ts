// The operator API's door: one bearer token, compared in constant time.
import type { Context, Next } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { secretEquals } from '../../core/secrets.ts';

export function requireOperator(operatorToken: string | undefined) {
  return async (ctx: Context, next: Next): Promise<void> => {
    const given = /^Bearer +(\S+)$/i.exec(ctx.get('authorization'))?.[1];
    if (given === undefined || operatorToken === undefined || !secretEquals(given, operatorToken)) {
      ctx.set('WWW-Authenticate', 'Bearer realm="operator"');
      throw new MortiseError({
        code: given === undefined ? 'operator_token_missing' : 'operator_token_wrong',
        status: 401,
        message:
          given === undefined
            ? 'This call needs the operator token.'
            : 'This is not the operator token.',
        hint: 'Send "Authorization: Bearer …" with the value of MORTISE_OPERATOR_TOKEN.',
      });
    }
    await next();
  };
}
