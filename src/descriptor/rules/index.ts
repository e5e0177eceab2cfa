// What a schema cannot say, one rule a file, in the order of a descriptor.
import { authenticationRule } from './authentication.ts';
import { baseUrlRule } from './base-url.ts';
import type { Rule } from './context.ts';
import { contextsRule } from './contexts.ts';
import { duplicateNamesRule, unknownFieldsRule } from './fields.ts';
import { lifecycleRule } from './lifecycle.ts';
import { modulesRule } from './modules.ts';
import { scopesRule } from './scopes.ts';
import { templateRule } from './template.ts';
import { webhooksRule } from './webhooks.ts';

export const RULES: readonly Rule[] = [
  duplicateNamesRule,
  unknownFieldsRule,
  templateRule,
  baseUrlRule,
  authenticationRule,
  contextsRule,
  scopesRule,
  lifecycleRule,
  webhooksRule,
  modulesRule,
];
