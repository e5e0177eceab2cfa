// From a valid document to a Descriptor: one spelling of everything, absolute addresses.
import type { Platform } from '../platform/platform.ts';
import { joinAddress } from './address.ts';
import { type Descriptor, LIFECYCLE_KINDS } from './descriptor.ts';
import { webhooksOf } from './webhooks.ts';

type Document = Record<string, unknown>;

/** The document must have passed validation. */
export function readDescriptor(
  document: Document,
  platform: Platform,
  source: { text: string; digest: string },
): Descriptor {
  const baseUrl = document.baseUrl as string;
  const absolute = (address: string) => (joinAddress(baseUrl, address) as { url: string }).url;
  const lifecycle = (document.lifecycle ?? {}) as Record<string, string>;
  const migrations = (document.apiMigrations ?? {}) as Record<string, unknown>;
  return {
    key: document.key as string,
    name: (document.name as string | undefined) ?? (document.key as string),
    description: (document.description as string | undefined) ?? '',
    baseUrl,
    scopes: scopesOf(document, platform),
    contexts: ((document.contexts ?? []) as string[]).map(
      (kind) => platform.contextKinds.get(kind) ?? kind,
    ),
    signedInstall:
      migrations['signed-install'] === true ||
      platform.definition.descriptors?.signedInstall === true,
    lifecycle: Object.fromEntries(
      LIFECYCLE_KINDS.filter((kind) => lifecycle[kind] !== undefined).map((kind) => [
        kind,
        absolute(lifecycle[kind]!),
      ]),
    ),
    authorizationRevoked:
      lifecycle.authorizationRevoked && absolute(lifecycle.authorizationRevoked),
    webhooks: webhooksOf(document).map(({ item }) => ({
      event: item.event as string,
      url: absolute(item.url as string),
    })),
    modules: modulesOf(document, platform),
    ...source,
  };
}

/** What is asked for, in the platform's spelling, each once. */
export function scopesOf(document: Document, platform: Platform): string[] {
  if (document.scopes === undefined) {
    return platform.definition.descriptors?.missingScopes === 'all'
      ? [...platform.scopes.all.keys()]
      : [];
  }
  const asked = Array.isArray(document.scopes) ? document.scopes : [];
  const known = asked.flatMap((name) =>
    typeof name === 'string' ? (platform.scopes.find(name) ?? []) : [],
  );
  return [...new Set(known)];
}

function modulesOf(document: Document, platform: Platform): Record<string, unknown[]> {
  const modules: Record<string, unknown[]> = {};
  for (const [name, value] of Object.entries((document.modules ?? {}) as Document)) {
    const type = platform.modules.find(name);
    if (type) modules[type] = [...(modules[type] ?? []), value].flat();
  }
  return modules;
}
