// What an installation is granted: never more than the descriptor asks for, in a context that is named.
import { MortiseError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import type { Descriptor } from '../descriptor/descriptor.ts';
import type { Platform } from '../platform/platform.ts';

/** @throws context_required, scope_unknown, scope_not_requested */
export function decideGranted(
  request: { context?: string; scopes?: string[]; resources?: string[] },
  descriptor: Pick<Descriptor, 'scopes'>,
  platform: Platform,
): { context: string; scopes: string[]; resources: string[] | null } {
  return {
    context: requireContext(request.context, platform),
    scopes:
      request.scopes === undefined
        ? descriptor.scopes
        : grantableScopes(request.scopes, descriptor.scopes, platform),
    resources: request.resources === undefined ? null : [...new Set(request.resources)],
  };
}

const MOST_CONTEXT_CHARACTERS = 512;

/** Where the platform has contexts, a missing one never means everybody. @throws context_required, context_invalid */
export function requireContext(context: string | undefined, platform: Platform): string {
  if (context !== undefined && context.length > MOST_CONTEXT_CHARACTERS) {
    throw refuse(
      'context_invalid',
      `"context" is longer than ${MOST_CONTEXT_CHARACTERS} characters.`,
    );
  }
  if (platform.contextKinds.size === 0 || (context !== undefined && context !== ''))
    return context ?? '';
  const kinds = Object.entries(platform.definition.contexts ?? {}).map(
    ([name, { title }]) => title ?? name,
  );
  throw refuse(
    'context_required',
    `"context" is missing: on this platform everything has one (${kinds.join(', ').toLowerCase()}).`,
    'Name it, as the product does: "context": "acme".',
  );
}

/** @returns the scopes in the platform's spelling. */
export function grantableScopes(wanted: string[], asked: string[], platform: Platform): string[] {
  return [
    ...new Set(
      wanted.map((name) => {
        const scope = platform.scopes.find(name);
        if (scope === undefined) {
          throw refuse(
            'scope_unknown',
            `"${name}" is not a scope of this platform.`,
            didYouMean(name, platform.scopes.all.keys()) ?? 'All scopes: GET /operator/v1/scopes',
          );
        }
        if (!platform.scopes.covers(asked, scope)) {
          throw refuse(
            'scope_not_requested',
            `The descriptor does not ask for "${scope}", so it cannot be granted.`,
            `It asks for: ${asked.join(', ') || 'nothing'}.`,
          );
        }
        return scope;
      }),
    ),
  ];
}

function refuse(code: string, message: string, hint?: string): MortiseError {
  return new MortiseError({ code, status: 422, message, hint });
}
