// What every use case is given: the wired parts of one host.
import type { Outbound } from '../core/outbound.ts';
import type { SecretBox } from '../core/secret-box.ts';
import type { InstallKey } from '../lifecycle/install-key.ts';
import type { AddonJwtVerifier } from '../oauth/addon-jwt.ts';
import type { Share } from '../store/engine-store.ts';
import type { EventRow, LaneState } from '../store/rows.ts';
import type { Store } from '../store/store.ts';
import type { Attempts } from '../webhooks/attempts.ts';
import type { Metrics } from './metrics.ts';
import type { HostSettings } from './settings.ts';

/** An event as it is stored, and who may see all of it. */
export interface Published {
  row: EventRow;
  /** undefined if nobody does. */
  scopesToSeeAll: string[] | undefined;
}

export interface HostParts {
  settings: HostSettings;
  metrics: Metrics;
  store: Store;
  box: SecretBox;
  outbound: Outbound;
  /**
   * Where the engine's attempts are made, for one share. @param onUndeclared hears of fields the payload schema does not
   * name.
   */
  openAttempts: (
    share: Pick<Share, 'lifetime'>,
    onUndeclared: (eventType: string, pointers: string[]) => void,
  ) => Attempts;
  jwt: AddonJwtVerifier;
  /** The key pair that signs install calls; made on first use. */
  installKey: () => Promise<InstallKey>;
  /** After a commit that left something to send or to call. */
  wake: () => void;
  /** Before events are published: what is sent of them need not be read again. */
  publishing: (events: Published[]) => void;
  /** After events were published. */
  published: () => void;
  /** After something was made due for an installation, or what kept it from being sent is gone. */
  expect: (installationId: string, state?: LaneState) => void;
}
