// What a lifecycle call says: Connect's fields (Bitbucket's names beside Jira's), in one object.

import type { CallKind, InstallationRow } from '../store/rows.ts';
import type { InstallKey } from './install-key.ts';

/** The account an add-on is installed for. */
export interface Principal {
  type: string;
  uuid: string;
  username: string;
  display_name: string;
  links: Record<string, unknown>;
}

export interface PayloadParts {
  kind: CallKind;
  addonKey: string;
  installation: Pick<InstallationRow, 'clientKey' | 'oauthClientId' | 'context'>;
  host: { baseUrl: string; productType: string; productName: string; key: InstallKey };
  principal: Principal;
  /** Who approved, if known. */
  actor?: Principal;
  scopes: string[];
  /** Only in `installed`. */
  secrets?: { shared: string; webhook: string; oauthClient: string };
}

export function lifecyclePayload(parts: PayloadParts): Record<string, unknown> {
  const { kind, addonKey, installation, host, principal, actor, scopes, secrets } = parts;
  return {
    key: addonKey,
    clientKey: installation.clientKey,
    oauthClientId: installation.oauthClientId,
    ...(secrets && {
      oauthClientSecret: secrets.oauthClient,
      sharedSecret: secrets.shared,
      webhookSecret: secrets.webhook,
    }),
    publicKey: host.key.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    baseUrl: host.baseUrl,
    baseApiUrl: host.baseUrl,
    productType: host.productType,
    description: `${host.productName} at ${host.baseUrl}`,
    eventType: kind,
    scopes,
    ...(installation.context !== '' && { context: installation.context }),
    principal,
    // The older name for principal, kept for add-ons written against it.
    user: principal,
    ...(actor && { actor }),
  };
}
