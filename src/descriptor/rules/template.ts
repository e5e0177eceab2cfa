// A template that was never rendered: the author serves the source file instead of the descriptor.
import { escapePointer } from '../../core/json-source.ts';
import { shownUrl } from '../../core/shown-url.ts';
import { isObject } from '../webhooks.ts';
import type { RuleContext } from './context.ts';

/** `{name}` and `${name}` are variables of module addresses; these never are. */
const ANYWHERE = /\{\{|<%|#\{/;
const IN_PLAIN_FIELDS = /\{\{|<%|#\{|\$\{/;

export function templateRule(context: RuleContext): void {
  const { document } = context;
  for (const name of ['key', 'name', 'baseUrl'])
    report(context, document[name], `/${name}`, IN_PLAIN_FIELDS);
  if (isObject(document.lifecycle)) {
    for (const [name, value] of Object.entries(document.lifecycle)) {
      report(context, value, `/lifecycle/${escapePointer(name)}`, IN_PLAIN_FIELDS);
    }
  }
  search(context, document.modules, '/modules');
}

function search(context: RuleContext, value: unknown, pointer: string): void {
  if (Array.isArray(value))
    value.forEach((item, i) => void search(context, item, `${pointer}/${i}`));
  else if (isObject(value)) {
    for (const [name, child] of Object.entries(value))
      search(context, child, `${pointer}/${escapePointer(name)}`);
  } else if (/\/(url|event|key)$/.test(pointer)) report(context, value, pointer, ANYWHERE);
}

function report(context: RuleContext, value: unknown, pointer: string, pattern: RegExp): void {
  if (typeof value !== 'string' || !pattern.test(value)) return;
  context.error(
    pointer,
    'descriptor_template',
    `"${shownUrl(value)}" is a template that was never rendered.`,
    'Serve the rendered descriptor, with the real value here.',
  );
}
