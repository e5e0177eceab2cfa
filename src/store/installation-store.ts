// What is asked and changed of installations.
import type {
  GrantRow,
  HandshakeProposal,
  HandshakeRow,
  InstallationRow,
  InstallationState,
  LifecycleCall,
  Subscription,
  WebhookRow,
} from './rows.ts';

export interface InstallationStore {
  find(id: string): Promise<InstallationRow | undefined>;
  findByAddon(addonKey: string, context: string): Promise<InstallationRow | undefined>;
  findByClientKey(clientKey: string): Promise<InstallationRow | undefined>;
  /** Any installation of this add-on, in whatever context: who else uses the key. */
  findOthers(addonKey: string): Promise<InstallationRow[]>;
  /** Newest first, uninstalled ones only when asked for by state. */
  list(query: {
    state?: InstallationState;
    after?: string;
    limit: number;
  }): Promise<InstallationRow[]>;
  /** The grant in force, with the webhooks under it. */
  findGrant(installationId: string): Promise<GrantRow | undefined>;
  /** The grant of a handshake under way; undefined once it has ended. */
  findHandshakeGrant(grantId: string): Promise<GrantRow | undefined>;
  findWebhooks(installationId: string): Promise<WebhookRow[]>;
  /**
   * Opens a handshake: makes the row if it is new, and a grant that is in force for this handshake only.
   * @returns undefined if another call to this add-on is under way, or the row has changed since the proposal was made
   *   from it; the other origin if one uses this add-on's key, here or elsewhere, and that was not accepted.
   */
  beginHandshake(
    proposal: HandshakeProposal,
  ): Promise<HandshakeRow | { takenBy: string } | undefined>;
  /**
   * The add-on said 2xx: everything proposed comes into force, the previous grant ends, its tokens move over, and
   * lifecycle calls still owed are superseded: this one told everything anew.
   * @throws install_cancelled if it was cancelled, or its deadline has passed
   */
  acceptHandshake(
    id: string,
    change: GrantChange & { webhooks: WebhookRow[]; call?: LifecycleCall },
  ): Promise<InstallationRow>;
  /**
   * The add-on said 2xx to new secrets: they come into force, what they replace stays good until `previousUntil`, and
   * all else is as it was; what was minted during the call lives on under the grant that stands.
   * @throws rotation_cancelled if it was cancelled, or its deadline has passed
   */
  acceptRotation(
    id: string,
    change: { at: number; previousUntil: number },
  ): Promise<InstallationRow>;
  /** It did not: grant and credentials of this handshake die, the candidate secret stays. */
  refuseHandshake(id: string, at: number): Promise<void>;
  /** Refuses those whose deadline has passed: whoever ran them is gone. */
  refuseForgottenHandshakes(now: number): Promise<void>;
  /** Deletes what rotations have replaced and what is good no more: of installations and of consumers. */
  forgetPreviousSecrets(now: number): Promise<void>;
  /** Ends grant, tokens and subscriptions, and owes the goodbye. False if it was uninstalled already. */
  uninstall(id: string, at: number, goodbye: LifecycleCall | undefined): Promise<boolean>;
  /**
   * A re-install under way is refused with it: its late yes must not undo this. undefined if it is not installed, or
   * has changed since `expectedEpoch` was read, where that is given.
   */
  setState(
    id: string,
    state: 'enabled' | 'disabled',
    change: GrantChange & { expectedEpoch?: number; call?: LifecycleCall },
  ): Promise<InstallationRow | undefined>;
  /** Replaces the grant in force; tokens move to the new one and lose what it does not cover. Otherwise as setState. */
  setGrant(
    id: string,
    grant: { id: string; scopes: string[]; resources: string[] | null },
    change: GrantChange & { expectedEpoch?: number; call?: LifecycleCall },
  ): Promise<InstallationRow | undefined>;
  /**
   * What an operator or the add-on itself declares well: the breaker closes, silence and pause end, webhooks that a 410
   * switched off are on again, under these subscriptions. Otherwise as setState.
   * @param change `ifPaused` is owed then: it was told that it was.
   * @returns also the webhooks that were off
   */
  recover(
    id: string,
    change: GrantChange & { expectedEpoch: number; ifPaused?: LifecycleCall },
  ): Promise<{ installation: InstallationRow; webhooksOn: string[] } | undefined>;
  /** Installations of this process's share that were recovered, each told once: whoever sends to them asks. */
  takeRecovered(): Promise<string[]>;
  /** Rewrites what each installation is told of, after the platform definition has changed. */
  replaceSubscriptions(
    installationId: string,
    subscriptions: Subscription[],
    at: number,
  ): Promise<void>;
  /** Whether the subscriptions were made from this platform definition; remembers it. */
  isPlatformKnown(digest: string): Promise<boolean>;
  rememberPlatform(digest: string): Promise<void>;
}

export interface GrantChange {
  at: number;
  subscriptions: Subscription[];
}
