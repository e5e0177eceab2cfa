// What an add-on proposes at this moment: its descriptor, read and held to the same one from the page to the install.
import { type Fault, MortiseError } from '../../core/errors.ts';
import { type JsonSource, parseJson } from '../../core/json-source.ts';
import type { Descriptor } from '../../descriptor/descriptor.ts';
import { fetchDescriptor } from '../../descriptor/fetch.ts';
import { findDescriptor } from '../../host/descriptors.ts';
import { requireContext } from '../../host/granted.ts';
import type { HostParts } from '../../host/parts.ts';
import type { InstallInput } from '../pages/install-form-page.tsx';
import type { Problem } from '../pages/notice.tsx';

export interface Proposal {
  descriptor: Descriptor;
  /** What is installed is this document, not what the address serves a moment later. */
  source: JsonSource;
  text: string;
  warnings: Fault[];
}

export interface Unusable {
  problem: Problem;
  faults?: Fault[];
  text?: string;
}

export async function readProposal(
  { descriptorUrl, context }: InstallInput,
  parts: HostParts,
): Promise<Proposal | Unusable> {
  let text: string;
  try {
    requireContext(context, parts.settings.platform);
    text = (await fetchDescriptor(descriptorUrl, parts.outbound)).replace(/^\uFEFF/, '');
  } catch (error) {
    if (error instanceof MortiseError && error.status < 500) return { problem: error };
    throw error;
  }
  const source = parseJson(text);
  if ('fault' in source) return { ...unusable([source.fault]), text };
  const { descriptor, faults } = await findDescriptor({ descriptor: source }, parts);
  if (!descriptor) return { ...unusable(faults), text };
  return { descriptor, source, text, warnings: faults };
}

function unusable(faults: Fault[]): Unusable {
  const { length } = faults.filter(({ severity }) => severity === 'error');
  return {
    problem: {
      message: `The descriptor cannot be used: it has ${length === 1 ? 'a fault' : `${length} faults`}.`,
      hint: 'Each is shown below, where it stands. Its author corrects it; then read it again.',
    },
    faults,
  };
}
