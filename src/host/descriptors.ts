// A descriptor from wherever the caller has it: fetched, or given.
import type { JsonSource } from '../core/json-source.ts';
import { fetchDescriptor } from '../descriptor/fetch.ts';
import {
  type Validation,
  validateDescriptor,
  validateDescriptorText,
} from '../descriptor/validate.ts';
import type { HostParts } from './parts.ts';

/** One of the two; `descriptor` with its positions in the request that brought it. */
export interface DescriptorInput {
  descriptorUrl?: string;
  descriptor?: JsonSource;
}

/** @throws what fetching throws; faults of the document itself are returned */
export async function findDescriptor(
  input: DescriptorInput,
  parts: HostParts,
): Promise<Validation> {
  const options = {
    platform: parts.settings.platform,
    policy: parts.settings.policy,
    hostOrigin: parts.settings.baseUrl,
  };
  if (input.descriptor) {
    return validateDescriptor(input.descriptor, JSON.stringify(input.descriptor.value), options);
  }
  const fetched = await fetchDescriptor(input.descriptorUrl!, parts.outbound);
  // A byte order mark is tolerated, and not kept: what is kept is parsed again.
  const text = fetched.replace(/^\uFEFF/, '');
  return validateDescriptorText(text, options);
}
