// Ajv's errors as faults a person can act on: which value, where, what is allowed.
import type { ErrorObject } from 'ajv';
import type { Fault } from './errors.ts';
import { escapePointer, type JsonSource } from './json-source.ts';
import { didYouMean } from './suggest.ts';

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
  // What is empty has no form either.
  const isEcho = ({ keyword, instancePath }: ErrorObject) =>
    ECHOES.has(keyword) ||
    (keyword === 'pattern' &&
      errors.some((e) => e.keyword === 'minLength' && e.instancePath === instancePath));
  const detailed = errors.filter((error) => !isEcho(error));
  const seen = new Set<string>();
  const faults: Fault[] = [];
  for (const error of detailed.length > 0 ? detailed : errors) {
    const fault = describe(error, errors, source, codePrefix);
    const name = `${fault.pointer} ${fault.message}`;
    if (!seen.has(name)) faults.push(fault);
    seen.add(name);
  }
  return faults;
}

function describe(
  error: ErrorObject,
  all: ErrorObject[],
  source: JsonSource,
  codePrefix: string,
): Fault {
  const name = error.propertyName ?? (error.params.additionalProperty as string | undefined);
  const pointer =
    name === undefined ? error.instancePath : `${error.instancePath}/${escapePointer(name)}`;
  const [message, hint] = sentence(error, all);
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

/** What patterns in schemas/ ask for, in words. */
const PATTERNS: Record<string, string> = {
  '^[A-Za-z0-9._-]+$': 'Use letters, digits, ".", "_" and "-" only.',
};

function sentence(error: ErrorObject, all: ErrorObject[]): [message: string, hint?: string] {
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
      return [
        `"${what}" must be ${kinds([...typesBefore(error, all), params.type].flat())}, not ${found}.`,
      ];
    }
    case 'enum': {
      const values = (params.allowedValues as unknown[]).map(String);
      return [
        `${quote(error.data)} is not allowed for "${what}".`,
        didYouMean(String(error.data), values) ?? allowed(values),
      ];
    }
    case 'const':
      return [`"${what}" must be ${quote(params.allowedValue)}.`];
    case 'pattern':
      return [
        `${quote(error.propertyName ?? error.data)} has characters or a form that cannot stand here.`,
        PATTERNS[params.pattern] ?? `It must match ${params.pattern}.`,
      ];
    case 'minLength':
      return [`"${what}" is empty.`, 'Fill it in.'];
    case 'maxLength':
      return [`"${what}" is longer than ${params.limit} characters.`];
    default:
      return [`"${what || 'The document'}" ${error.message}.`];
  }
}

/** Where the error is that of `"if": {"type": …}, "else": …`, the type of the `if` is allowed as well. */
function typesBefore({ instancePath }: ErrorObject, all: ErrorObject[]): string[] {
  const branch = all.find(
    (e) =>
      e.keyword === 'if' && e.params.failingKeyword === 'else' && e.instancePath === instancePath,
  );
  const { type = [] } = (branch?.schema ?? {}) as { type?: string | string[] };
  return [type].flat();
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

function kinds(types: string[]): string {
  return types.map(kind).join(' or ');
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
