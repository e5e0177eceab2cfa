// `mortise/addon`: what an add-on needs. Imports nothing of the host, so that it stays light, and so that two
// independent implementations must agree.
export { AccessTokens, type AccessTokensOptions } from './access-token.ts';
export { AddonError } from './errors.ts';
export { HostKeys } from './host-keys.ts';
export type { ReceivedRequest } from './request.ts';
export { type VerifiedCall, type VerifyInstallOptions, verifyInstall } from './verify-install.ts';
export {
  clientKeyOf,
  type InstallationKeys,
  type SignatureFamily,
  type VerifiedWebhook,
  type VerifyWebhookOptions,
  verifyWebhook,
} from './verify-webhook.ts';
