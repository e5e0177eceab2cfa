// A descriptor against its schema and its platform: every fault at once, each with pointer, line, column,
// code, message and what to do.
import { createHash } from 'node:crypto';
import { Ajv, type ErrorObject } from 'ajv';
import { type Fault, MortiseError } from '../core/errors.ts';
import type { JsonSource } from '../core/json-source.ts';
import { parseJson } from '../core/json-source.ts';
import { schemaFaults } from '../core/schema-faults.ts';
import { readSchema } from '../core/schemas.ts';
import type { Descriptor } from './descriptor.ts';
import { readDescriptor } from './read.ts';
import { RuleContext, type ValidationOptions } from './rules/context.ts';
import { RULES } from './rules/index.ts';

export interface Validation {
  /** undefined if there is an error among the faults. */
  descriptor: Descriptor | undefined;
  faults: Fault[];
}

/** A descriptor of 10 KiB is a large one. */
const MOST_CHARACTERS = 128 * 1024;
/** Nobody reads more, and an answer must stay small whatever it is about. */
const MOST_FAULTS = 100;

let validateShape: ReturnType<Ajv['compile']> | undefined;

/** Validates the text of a descriptor. */
export function validateDescriptorText(text: string, options: ValidationOptions): Validation {
  const source = parseJson(text);
  if ('fault' in source) return { descriptor: undefined, faults: [source.fault] };
  return validateDescriptor(source, text, options);
}

/** @param source of the descriptor; @param text what is kept and hashed. */
export function validateDescriptor(
  source: JsonSource,
  text: string,
  options: ValidationOptions,
): Validation {
  const { value } = source;
  if (text.length > MOST_CHARACTERS)
    return refused(
      source,
      'descriptor_too_large',
      `A descriptor has at most ${MOST_CHARACTERS / 1024} KiB; this one has ${Math.ceil(text.length / 1024)}.`,
    );
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = Array.isArray(value) ? 'a list' : JSON.stringify(value)?.slice(0, 40);
    return refused(
      source,
      'descriptor_not_object',
      `A descriptor is one JSON object; this is ${found}.`,
    );
  }
  const document = value as Record<string, unknown>;
  validateShape ??= new Ajv({ allErrors: true, verbose: true, strict: false }).compile(
    readSchema('descriptor.schema.json'),
  );
  const faults = validateShape(document)
    ? []
    : schemaFaults(validateShape.errors as ErrorObject[], source, 'descriptor');
  const context = new RuleContext(document, source, options);
  for (const rule of RULES) rule(context);
  const all = withoutEchoesOfTemplates([...faults, ...context.faults]).sort(byPlace);
  const hasErrors = all.some((fault) => fault.severity === 'error');
  const shown =
    all.length > MOST_FAULTS ? [...all.filter(isError), ...all].slice(0, MOST_FAULTS) : all;
  const digest = createHash('sha256').update(text).digest('hex');
  return {
    descriptor: hasErrors
      ? undefined
      : readDescriptor(document, options.platform, { text, digest }),
    faults: shown,
  };
}

/** @throws the first error's own code when there is one error only, else descriptor_invalid; status 422 */
export function requireValid({ descriptor, faults }: Validation): Descriptor {
  if (descriptor) return descriptor;
  const errors = faults.filter((fault) => fault.severity === 'error');
  const first = errors[0]!;
  throw new MortiseError({
    code: errors.length === 1 ? first.code : 'descriptor_invalid',
    status: 422,
    message:
      errors.length === 1
        ? `The descriptor cannot be used: ${first.message}`
        : `The descriptor cannot be used: it has ${errors.length} faults.`,
    hint: errors.length === 1 ? first.hint : 'Correct them all; each is listed with its place.',
    faults,
  });
}

function refused(source: JsonSource, code: string, message: string): Validation {
  return {
    descriptor: undefined,
    faults: [{ code, message, pointer: '', ...source.locate(''), severity: 'error' }],
  };
}

function isError({ severity }: Fault): boolean {
  return severity === 'error';
}

/** What a template would be rendered to is not known: nothing else is wrong with it. */
function withoutEchoesOfTemplates(faults: Fault[]): Fault[] {
  const isTemplate = ({ code }: Fault) => code === 'descriptor_template';
  const places = new Set(faults.filter(isTemplate).map(({ pointer }) => pointer));
  return faults.filter((fault) => isTemplate(fault) || !places.has(fault.pointer));
}

function byPlace(a: Fault, b: Fault): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
