// Names at the top level, and names written twice anywhere.
import { escapePointer } from '../../core/json-source.ts';
import { readSchema } from '../../core/schemas.ts';
import { didYouMean } from '../../core/suggest.ts';
import type { RuleContext } from './context.ts';

const KNOWN = new Set(Object.keys(readSchema('descriptor.schema.json').properties as object));

/** Unknown fields are tolerated, since other products have their own, and named, since they may be typing errors. */
export function unknownFieldsRule(context: RuleContext): void {
  for (const name of Object.keys(context.document)) {
    if (KNOWN.has(name) || name.startsWith('x-')) continue;
    context.warn(
      `/${escapePointer(name)}`,
      'descriptor_unknown_field',
      `"${name}" is not a field of a descriptor and is ignored.`,
      didYouMean(name, KNOWN),
    );
  }
}

export function duplicateNamesRule(context: RuleContext): void {
  for (const { pointer, name, line, column } of context.source.duplicates) {
    context.faults.push({
      code: 'json_duplicate_name',
      message: `"${name}" stands twice in one object; readers disagree on which one counts.`,
      hint: 'Remove one.',
      pointer,
      line,
      column,
      severity: 'error',
    });
  }
}
