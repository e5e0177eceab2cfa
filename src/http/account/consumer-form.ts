// A consumer's form as it was posted.

import { chosen } from '../browser/chosen.ts';
import type { ConsumerInput } from '../pages/consumer-fields.tsx';

export function readConsumerForm(form: ReadonlyMap<string, string>): ConsumerInput {
  return {
    name: form.get('name') ?? '',
    redirectUris: form.get('redirectUris') ?? '',
    eventsUri: (form.get('eventsUri') ?? '').trim(),
    scopes: chosen(form, 'scope.'),
    keepsAll: form.has('keepsAll'),
  };
}

export function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
