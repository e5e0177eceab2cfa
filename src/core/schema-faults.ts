// Ajv's errors as faults a person can act on: which value, where, what is allowed.
import type { ErrorObject } from 'ajv';
import type { Fault } from './errors.ts';
import { escapePointer, type JsonSource } from './json-source.ts';
import { didYouMean, nearest } from './suggest.ts';

/** Keywords that only report that something below them failed. */
const ECHOES = new Set(['if', 'anyOf', 'oneOf', 'allOf', 'propertyNames']);

/**
 * @param source where the document came from, for line and column.
 * @param codePrefix of the document: `descriptor` gives `descriptor_required`.
 */
export function schemaFaults(
  errors: ErrorObject[],
  source: JsonSource,
  codePrefix: string,
): Fault[] {
  const detailed = errors.some((e) => !ECHOES.has(e.keyword))
    ? errors.filter((e) => !ECHOES.has(e.keyword))
    : errors;
  const seen = new Set<string>();
  const faults: Fault[] = [];
  for (const error of detailed) {
    const fault = describe(error, source, codePrefix);
    const name = `${fault.pointer} ${fault.message}`;
    if (!seen.has(name)) faults.push(fault);
    seen.add(name);
  }
  return faults;
}

function describe(error: ErrorObject, source: JsonSource, codePrefix: string): Fault {
  const name = error.propertyName ?? (error.params.additionalProperty as string | undefined);
  const pointer =
    name === undefined ? error.instancePath : `${error.instancePath}/${escapePointer(name)}`;
  const [message, hint] = sentence(error);
  return {
    code: `${codePrefix}_${CODES[error.keyword] ?? 'invalid'}`,
    message,
    hint,
    pointer,
    ...source.locate(pointer),
    severity: 'error',
  };
}

const CODES: Record<string, string> = {
  required: 'required',
  additionalProperties: 'unknown_field',
  type: 'type',
  enum: 'value',
  const: 'value',
  pattern: 'format',
  format: 'format',
  minLength: 'empty',
  maxLength: 'too_long',
};

function sentence(error: ErrorObject): [message: string, hint?: string] {
  const what = lastName(error.instancePath);
  const { params } = error;
  switch (error.keyword) {
    case 'required':
      return [
        `"${params.missingProperty}" is missing${what === '' ? '' : ` in "${what}"`}.`,
        'Add it.',
      ];
    case 'additionalProperties': {
      const known = Object.keys((error.parentSchema as { properties?: object }).properties ?? {});
      return [
        `"${params.additionalProperty}" is not known here.`,
        didYouMean(params.additionalProperty, known) ?? allowed(known),
      ];
    }
    case 'type': {
      const found =
        error.data === null
          ? 'null'
          : Array.isArray(error.data)
            ? 'a list'
            : kind(typeof error.data);
      return [`"${what}" must be ${kinds(params.type)}, not ${found}.`];
    }
    case 'enum': {
      const values = (params.allowedValues as unknown[]).map(String);
      return [
        `${quote(error.data)} is not allowed for "${what}".`,
        suggestion(String(error.data), values),
      ];
    }
    case 'const':
      return [`"${what}" must be ${quote(params.allowedValue)}.`];
    case 'pattern':
      return [
        `${quote(error.propertyName ?? error.data)} does not have the form ${params.pattern}.`,
      ];
    case 'minLength':
      return [`"${what}" is empty.`, 'Fill it in.'];
    case 'maxLength':
      return [`"${what}" is longer than ${params.limit} characters.`];
    default:
      return [`"${what || 'The document'}" ${error.message}.`];
  }
}

function suggestion(given: string, known: string[]): string {
  return nearest(given, known) === undefined ? allowed(known)! : didYouMean(given, known)!;
}

function allowed(names: string[]): string | undefined {
  return names.length === 0
    ? undefined
    : `Allowed: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}.`;
}

function lastName(pointer: string): string {
  const names = pointer.split('/').slice(1);
  const last = names.at(-1) ?? '';
  return (/^\d+$/.test(last) && names.length > 1 ? `${names.at(-2)}[${last}]` : last)
    .replaceAll('~1', '/')
    .replaceAll('~0', '~');
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 117)}…"` : text;
}

function kinds(type: string | string[]): string {
  return [type].flat().map(kind).join(' or ');
}

function kind(type: string): string {
  return (
    {
      array: 'a list',
      object: 'an object',
      string: 'a string',
      number: 'a number',
      integer: 'a whole number',
      boolean: 'true or false',
      null: 'null',
    }[type] ?? type
  );
}
