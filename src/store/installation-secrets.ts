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

/** What a rotation has replaced. */
export interface PreviousSecrets extends InstallationSecrets {
  /** Milliseconds since 1970: good before, whoever still has it in memory. */
  until: number;
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

/** What a rotation has replaced; whether it is still good, `until` tells at the time of use. */
export function previousSecrets(
  box: SecretBox,
  installation: Pick<InstallationRow, 'id' | 'previousSecrets' | 'previousSecretsUntil'>,
): PreviousSecrets | undefined {
  const { id, previousSecrets: sealed, previousSecretsUntil: until } = installation;
  return sealed === null || until === null ? undefined : { ...openSecrets(box, id, sealed), until };
}

/** With which the add-on may sign now: what it has acknowledged, and what that has replaced. */
export function sharedSecretsInForce(
  box: SecretBox,
  installation: InstallationRow,
  now: number,
): string[] {
  const acknowledged = acknowledgedSecrets(box, installation);
  const previous = previousSecrets(box, installation);
  return [
    ...(acknowledged ? [acknowledged.shared] : []),
    ...(previous && previous.until > now ? [previous.shared] : []),
  ];
}

/** All that the add-on may echo: to be blacked out of its answers. */
export function everySecret(box: SecretBox, installation: InstallationRow): string[] {
  return [acknowledgedSecrets, candidateSecrets, previousSecrets].flatMap((read) => {
    const secrets = read(box, installation);
    return secrets ? [secrets.shared, secrets.webhook] : [];
  });
}
