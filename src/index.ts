// The whole public surface of `mortise`.

export { type Fault, MortiseError } from './core/errors.ts';
export { createHost, type Host } from './create-host.ts';
export type { InstallationChange } from './host/change-installation.ts';
export { type DevData, devData, rememberUrl } from './host/dev-data.ts';
export type { GuardOptions, GuardState } from './host/guard.ts';
export type { Installed, InstallRequest } from './host/install.ts';
export type { Directory, HostOptions, SignInOptions, User } from './host/options.ts';
export type { EventInput } from './host/publish.ts';
export type { Principal } from './lifecycle/payload.ts';
export type { PlatformDefinition } from './platform/definition.ts';
