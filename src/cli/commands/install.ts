// mortise install URL: shows what an add-on asks for, and installs it.
import type { Command } from 'commander';
import { type ClientOptions, callOperator, print, withClientOptions } from '../operator-client.ts';

interface InstallOptions extends ClientOptions {
  context?: string;
  scopes?: string;
  resources?: string;
  acceptNewOrigin?: boolean;
}

export function addInstallCommand(program: Command): void {
  withClientOptions(
    program
      .command('install <descriptor-url>')
      .description('install an add-on, or install it again')
      .option('--context <name>', 'the workspace or site it is installed in')
      .option('--scopes <list>', 'grant only these of the scopes asked for, separated by commas')
      .option('--resources <list>', 'only on these resources, separated by commas')
      .option('--accept-new-origin', 'the add-on has moved to another origin, and that is meant'),
  ).action(install);
}

async function install(descriptorUrl: string, options: InstallOptions): Promise<void> {
  const installed = await callOperator<Installed>(options, 'POST', '/installations', {
    descriptorUrl,
    context: options.context,
    scopes: listOf(options.scopes),
    resources: listOf(options.resources),
    acceptNewOrigin: options.acceptNewOrigin,
  });
  const { id, addonKey, name, context, state, scopes, requestedScopes, warnings, exchanges } =
    installed;
  const notGranted = requestedScopes.filter((scope) => !scopes.includes(scope));
  print(options, installed, [
    `${name} (${addonKey}) is ${state}${context ? ` in ${context}` : ''}`,
    `  id        ${id}`,
    `  granted   ${scopes.join(', ') || 'no scopes'}`,
    ...(notGranted.length > 0 ? [`  asked for, not granted   ${notGranted.join(', ')}`] : []),
    ...exchanges.map(
      ({ method, url, status, durationMs }) =>
        `  ${method} ${url} answered ${status} after ${durationMs} ms`,
    ),
    ...warnings.map(({ message }) => `  warning: ${message}`),
  ]);
}

interface Installed {
  id: string;
  addonKey: string;
  name: string;
  context: string | null;
  state: string;
  scopes: string[];
  requestedScopes: string[];
  warnings: { message: string }[];
  exchanges: Exchange[];
}

interface Exchange {
  method: string;
  url: string;
  status: number;
  durationMs: number;
}

function listOf(text: string | undefined): string[] | undefined {
  return text
    ?.split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}
