// A descriptor that was found good, in the platform's own spelling, with absolute addresses.
import type { CallKind } from '../store/rows.ts';

export interface Descriptor {
  key: string;
  name: string;
  description: string;
  /** Character for character as the author wrote it: it is the audience of signed installs. */
  baseUrl: string;
  scopes: string[];
  contexts: string[];
  signedInstall: boolean;
  lifecycle: Partial<Record<CallKind, string>>;
  /** Where security events about users' grants are pushed: in `lifecycle` too, but no lifecycle call. */
  authorizationRevoked: string | undefined;
  webhooks: { event: string; url: string }[];
  /** UI modules by canonical type. */
  modules: Record<string, unknown[]>;
  /** The document as fetched, and its SHA-256: what was consented to. */
  text: string;
  digest: string;
}

export const LIFECYCLE_KINDS: readonly CallKind[] = [
  'installed',
  'uninstalled',
  'enabled',
  'disabled',
  'scopesChanged',
  'webhooksPaused',
  'webhooksResumed',
];
