// Whoever is called needs a shared secret to know who calls.
import { isObject, webhooksOf } from '../webhooks.ts';
import type { RuleContext } from './context.ts';

export function authenticationRule(context: RuleContext): void {
  const { authentication, lifecycle } = context.document;
  const type = isObject(authentication) ? authentication.type : undefined;
  if (typeof type === 'string' && type.toLowerCase() === 'jwt') return;
  const isCalled =
    (isObject(lifecycle) && Object.keys(lifecycle).length > 0) ||
    webhooksOf(context.document).length > 0;
  if (!isCalled) return;
  if (authentication !== undefined && typeof type !== 'string') return;
  context.error(
    authentication === undefined ? '' : '/authentication/type',
    'authentication_required',
    `The descriptor has lifecycle addresses or webhooks, and authentication ${type === undefined ? 'is missing' : `is "${type}"`}: the add-on could not tell who calls it.`,
    'Set "authentication": {"type": "jwt"}.',
  );
}
