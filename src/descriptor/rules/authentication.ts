// Whoever is called needs a shared secret to know who calls.
import { isObject, webhooksOf } from '../webhooks.ts';
import type { RuleContext } from './context.ts';

export function authenticationRule(context: RuleContext): void {
  const { authentication, lifecycle } = context.document;
  const type = isObject(authentication) ? authentication.type : undefined;
  const isNone = typeof type === 'string' && type.toLowerCase() === 'none';
  // Whatever is neither jwt nor none, the schema refuses.
  if (authentication !== undefined && !isNone) return;
  const isCalled =
    (isObject(lifecycle) && Object.keys(lifecycle).length > 0) ||
    webhooksOf(context.document).length > 0;
  if (!isCalled) return;
  context.error(
    isNone ? '/authentication/type' : '',
    'authentication_required',
    `The descriptor has lifecycle addresses or webhooks, and authentication ${isNone ? `is "${type}"` : 'is missing'}: the add-on could not tell who calls it.`,
    'Set "authentication": {"type": "jwt"}.',
  );
}
