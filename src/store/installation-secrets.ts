// The sealed columns of an installation: what signs JWTs, and what signs webhook bodies.
import type { SecretBox } from '../core/secret-box.ts';
import type { InstallationRow } from './rows.ts';

export interface InstallationSecrets {
  /** Signs Connect JWTs, both ways. */
  shared: string;
  /** `whsec_` and base64: signs webhook bodies. */
  webhook: string;
  /** The origin they were sent to; another one never gets them. */
  origin: string;
}

function rowName(installationId: string): string {
  return `installations/${installationId}/secrets`;
}

export function sealSecrets(
  box: SecretBox,
  installationId: string,
  secrets: InstallationSecrets,
): string {
  return box.seal(JSON.stringify(secrets), rowName(installationId));
}

export function openSecrets(
  box: SecretBox,
  installationId: string,
  sealed: string,
): InstallationSecrets {
  return JSON.parse(box.open(sealed, rowName(installationId)));
}

/** What the add-on may have stored without acknowledging it: it was sent, and the handshake failed. */
export function candidateSecrets(
  box: SecretBox,
  installation: Pick<InstallationRow, 'id' | 'candidateSecrets'>,
): InstallationSecrets | undefined {
  const sealed = installation.candidateSecrets;
  return sealed === null ? undefined : openSecrets(box, installation.id, sealed);
}

/** What the add-on has acknowledged; undefined before it ever has. */
export function acknowledgedSecrets(
  box: SecretBox,
  installation: Pick<InstallationRow, 'id' | 'acknowledgedSecrets'>,
): InstallationSecrets | undefined {
  const sealed = installation.acknowledgedSecrets;
  return sealed === null ? undefined : openSecrets(box, installation.id, sealed);
}
