// A descriptor in a request: its address, or the document itself with the positions it has in the body.
import { MortiseError } from '../core/errors.ts';
import type { JsonSource } from '../core/json-source.ts';
import type { DescriptorInput } from '../host/descriptors.ts';
import { optionalString } from './fields.ts';

/** @throws descriptor_missing, descriptor_ambiguous */
export function descriptorInput(
  source: JsonSource,
  body: Record<string, unknown>,
): DescriptorInput {
  const descriptorUrl = optionalString(body, 'descriptorUrl');
  if (descriptorUrl !== undefined && body.descriptor !== undefined) {
    throw refuse(
      'descriptor_ambiguous',
      'Both "descriptorUrl" and "descriptor" were sent.',
      'Send one.',
    );
  }
  if (descriptorUrl !== undefined) return { descriptorUrl };
  if (body.descriptor === undefined) {
    throw refuse(
      'descriptor_missing',
      'Neither "descriptorUrl" nor "descriptor" was sent.',
      'Send the address of the descriptor, or the document.',
    );
  }
  return { descriptor: below(source, '/descriptor', body.descriptor) };
}

/** The part of a document below a pointer, as a document of its own; lines stay those of the whole. */
export function below(source: JsonSource, at: string, value: unknown): JsonSource {
  return {
    value,
    locate: (pointer) => source.locate(at + pointer),
    duplicates: source.duplicates
      .filter(({ pointer }) => pointer.startsWith(`${at}/`))
      .map((duplicate) => ({ ...duplicate, pointer: duplicate.pointer.slice(at.length) })),
  };
}

function refuse(code: string, message: string, hint: string): MortiseError {
  return new MortiseError({ code, status: 422, message, hint });
}
