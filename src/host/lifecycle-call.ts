// Builds, signs and sends one lifecycle call: `installed` during a handshake, the others when they are owed.
import type { Descriptor } from '../descriptor/descriptor.ts';
import { readDescriptor } from '../descriptor/read.ts';
import { callAddon, type LifecycleResult } from '../lifecycle/call.ts';
import { lifecyclePayload, type Principal } from '../lifecycle/payload.ts';
import { signCall } from '../lifecycle/sign.ts';
import {
  acknowledgedSecrets,
  candidateSecrets,
  everySecret,
} from '../store/installation-secrets.ts';
import type { CallKind, InstallationRow, LifecycleCall } from '../store/rows.ts';
import type { HostParts } from './parts.ts';

interface CallToMake {
  kind: CallKind;
  attempt: number;
  url: string;
  descriptor: Descriptor;
  installation: InstallationRow;
  scopes: string[];
  /** Only `installed` tells secrets. */
  secrets?: { shared: string; webhook: string; oauthClient: string };
  /** The HS256 secret, where that is the form. */
  signWith: string | undefined;
}

/** Installations are made by operators, who are no users of the product. */
const OPERATOR: Principal = {
  type: 'user',
  uuid: '{00000000-0000-0000-0000-000000000000}',
  username: 'operator',
  display_name: 'Operator',
  links: {},
};

export async function callLifecycle(call: CallToMake, parts: HostParts): Promise<LifecycleResult> {
  const { settings, outbound } = parts;
  const { kind, descriptor, installation, secrets } = call;
  const key = await parts.installKey();
  const client = await parts.store.clients.find(installation.oauthClientId);
  const now = settings.clock.now();
  const payload = lifecyclePayload({
    kind,
    addonKey: descriptor.key,
    installation,
    host: {
      baseUrl: settings.baseUrl,
      productType: settings.platform.key,
      productName: settings.platform.name,
      key,
    },
    principal: await settings.principal(installation.context),
    // As Bitbucket has it: who installed is told with `installed` only.
    actor: kind === 'installed' ? OPERATOR : undefined,
    scopes: call.scopes,
    secrets,
  });
  const body = Buffer.from(JSON.stringify(payload));
  const isSignedInstall =
    descriptor.signedInstall && (kind === 'installed' || kind === 'uninstalled');
  const headers = signCall(
    {
      url: call.url,
      addonBaseUrl: descriptor.baseUrl,
      body,
      clientKey: installation.clientKey,
      now,
    },
    key,
    isSignedInstall ? undefined : call.signWith,
  );
  return callAddon(outbound, {
    kind,
    installationId: installation.id,
    attempt: call.attempt,
    url: call.url,
    headers,
    body,
    secrets: [
      ...(secrets ? [secrets.shared, secrets.webhook, secrets.oauthClient] : []),
      ...everySecret(parts.box, installation),
      ...Object.values(headers).map((value) => value.replace(/^JWT /, '')),
    ],
    secretHashes: [client?.secretHash, client?.previous?.secretHash].filter((hash) => hash != null),
    at: now,
  });
}

/** A 400 or 401: the add-on may know another secret. */
export function doubtsSignature({ exchange }: LifecycleResult): boolean {
  return exchange.status === 400 || exchange.status === 401;
}

/**
 * A call that is owed, as things stand now; undefined if the add-on declares no address for it. Signed with what
 * the add-on has acknowledged, and if it doubts that, with what a failed re-install may have left it with.
 */
export async function makeOwedCall(
  call: LifecycleCall,
  parts: HostParts,
): Promise<LifecycleResult | undefined> {
  const installation = await parts.store.installations.find(call.installationId);
  const descriptor = installation && installedDescriptor(installation, parts);
  const url = descriptor?.lifecycle[call.kind];
  if (!installation || !descriptor || url === undefined) return undefined;
  const grant = await parts.store.installations.findGrant(installation.id);
  const make = (signWith: string | undefined) =>
    callLifecycle(
      {
        kind: call.kind,
        attempt: call.attempts + 1,
        url,
        descriptor,
        installation,
        scopes: grant?.scopes ?? [],
        signWith,
      },
      parts,
    );
  const first = await make(acknowledgedSecrets(parts.box, installation)?.shared);
  const candidate = candidateSecrets(parts.box, installation);
  const isElsewhere = candidate?.origin !== new URL(descriptor.baseUrl).origin;
  if (!doubtsSignature(first) || !candidate || isElsewhere) return first;
  await parts.store.lifecycle.addExchange(first.exchange);
  return make(candidate.shared);
}

/** The descriptor in force; undefined if there never was one. */
export function installedDescriptor(
  installation: InstallationRow,
  parts: HostParts,
): Descriptor | undefined {
  const { descriptor: text, descriptorDigest: digest } = installation;
  if (text === null || digest === null) return undefined;
  return readDescriptor(JSON.parse(text), parts.settings.platform, { text, digest });
}
