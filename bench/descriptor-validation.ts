// Validating the text of a descriptor, schema and all rules, to JSON.parse of the same text.
import { readFileSync } from 'node:fs';
import { PUBLIC_ONLY } from '../src/core/addresses.ts';
import { validateDescriptorText } from '../src/descriptor/validate.ts';
import { compilePlatform } from '../src/platform/compile.ts';
import { inProcess, type OpenRow } from './plan.ts';
import { perSecond } from './rounds.ts';

export const descriptorValidation: OpenRow = async (plan) => {
  const { rounds, milliseconds } = inProcess(plan);
  const platform = compilePlatform(readFileSync('platforms/bitbucket.json', 'utf8'));
  const text = readFileSync('descriptors/full.json', 'utf8');
  const options = { platform, policy: PUBLIC_ONLY };
  return {
    bench: 'descriptor-validation',
    of: `JSON.parse of the same ${text.length} characters`,
    unit: 'validations/s',
    rounds,
    measured: () =>
      perSecond(milliseconds, 10, (count) => {
        for (let i = 0; i < count; i++) {
          if (!validateDescriptorText(text, options).descriptor) throw new Error('It is valid.');
        }
      }),
    baseline: () =>
      perSecond(milliseconds, 1000, (count) => {
        for (let i = 0; i < count; i++) JSON.parse(text);
      }),
    close: () => undefined,
  };
};
