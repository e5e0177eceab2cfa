// POST /operator/v1/descriptors/validate: every fault of a descriptor, and what it asks for.
import type Router from '@koa/router';
import { MortiseError } from '../../core/errors.ts';
import { validateDescriptorText } from '../../descriptor/validate.ts';
import { findDescriptor } from '../../host/descriptors.ts';
import type { HostParts } from '../../host/parts.ts';
import { readJson, requireObject } from '../body.ts';
import { descriptorInput } from '../descriptor-input.ts';
import { optionalString, refuseOthers } from '../fields.ts';

export function descriptorRoutes(router: Router, parts: HostParts): void {
  router.post('/descriptors/validate', async (ctx) => {
    const source = await readJson(ctx);
    const body = requireObject(source.value);
    refuseOthers(body, ['descriptorUrl', 'descriptor', 'text']);
    const { descriptor, faults } = await validationOf(source, body, parts);
    ctx.body = {
      valid: descriptor !== undefined,
      errors: faults.filter(({ severity }) => severity === 'error'),
      warnings: faults.filter(({ severity }) => severity === 'warning'),
      ...(descriptor && {
        asks: {
          key: descriptor.key,
          name: descriptor.name,
          baseUrl: descriptor.baseUrl,
          scopes: descriptor.scopes,
          webhooks: descriptor.webhooks,
          signedInstall: descriptor.signedInstall,
        },
      }),
    };
  });
}

/** `text` is the document as its author wrote it, so that lines are the author's. Not to be fetched is a fault too. */
async function validationOf(
  source: Awaited<ReturnType<typeof readJson>>,
  body: Record<string, unknown>,
  parts: HostParts,
) {
  const { platform, policy, baseUrl: hostOrigin } = parts.settings;
  const text = optionalString(body, 'text');
  if (text !== undefined) return validateDescriptorText(text, { platform, policy, hostOrigin });
  try {
    return await findDescriptor(descriptorInput(source, body), parts);
  } catch (error) {
    if (error instanceof MortiseError && error.faults)
      return { descriptor: undefined, faults: error.faults };
    throw error;
  }
}
