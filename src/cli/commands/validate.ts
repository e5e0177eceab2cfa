// mortise validate FILE|URL: every fault of a descriptor, where it stands, and what to do.
import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { isLoopbackHost } from '../../core/addresses.ts';
import { type Fault, MortiseError } from '../../core/errors.ts';
import { createOutbound } from '../../core/outbound.ts';
import type { Descriptor } from '../../descriptor/descriptor.ts';
import { fetchDescriptor } from '../../descriptor/fetch.ts';
import { validateDescriptorText } from '../../descriptor/validate.ts';
import { compilePlatform } from '../../platform/compile.ts';
import { print } from '../operator-client.ts';

const BUNDLED_PLATFORM = new URL('../../../platforms/bitbucket.json', import.meta.url);

interface ValidateOptions {
  platform?: string;
  dev?: boolean;
  json?: boolean;
}

export function addValidateCommand(program: Command): void {
  program
    .command('validate <descriptor>')
    .description('check a descriptor: a file, or the address of one')
    .option('--platform <file>', "the platform definition (default: Bitbucket's)")
    .option(
      '--dev',
      'as a host started with --dev would see it: loopback and plain http are allowed',
    )
    .option('--json', 'print JSON')
    .action(validate);
}

async function validate(place: string, options: ValidateOptions): Promise<void> {
  const platform = compilePlatform(
    readFileSync(options.platform ?? BUNDLED_PLATFORM, 'utf8'),
    options.platform,
  );
  const isUrl = /^https?:\/\//i.test(place);
  const isLocal = isUrl && URL.canParse(place) && isLoopbackHost(new URL(place).hostname);
  const policy = { loopback: options.dev ?? isLocal, ranges: [], ports: [] };
  const { descriptor, faults } = await read();
  const errors = faults.filter(({ severity }) => severity === 'error');
  const warnings = faults.filter(({ severity }) => severity === 'warning');
  print(
    options,
    {
      valid: descriptor !== undefined,
      errors,
      warnings,
      ...(descriptor && { asks: asks(descriptor) }),
    },
    [
      `${place}: ${descriptor ? 'valid' : count(errors.length, 'error')}${warnings.length > 0 ? `, ${count(warnings.length, 'warning')}` : ''}`,
      ...faults.flatMap(faultLines),
      ...(descriptor ? askLines(descriptor) : []),
    ],
  );
  if (!descriptor) process.exitCode = 1;

  async function read(): Promise<{ descriptor: Descriptor | undefined; faults: Fault[] }> {
    if (!isUrl) return validateDescriptorText(readFile(place), { platform, policy });
    const outbound = createOutbound(policy);
    try {
      return validateDescriptorText(await fetchDescriptor(place, outbound), { platform, policy });
    } catch (error) {
      if (error instanceof MortiseError && error.faults)
        return { descriptor: undefined, faults: error.faults };
      throw error;
    } finally {
      await outbound.close();
    }
  }
}

function readFile(path: string): string {
  if (!existsSync(path)) {
    throw new MortiseError({
      code: 'file_missing',
      status: 404,
      message: `There is no file "${path}".`,
      hint: 'Give the path of a descriptor, or its address beginning with https://.',
    });
  }
  return readFileSync(path, 'utf8');
}

function faultLines({ severity, code, message, hint, pointer, line, column }: Fault): string[] {
  const place = line === undefined ? '-' : `${line}:${column}`;
  return [
    `  ${place.padEnd(7)} ${severity.padEnd(8)} ${code}${pointer ? `  ${pointer}` : ''}`,
    `          ${message}`,
    ...(hint ? [`          ${hint}`] : []),
  ];
}

function asks({ key, name, baseUrl, scopes, webhooks, signedInstall }: Descriptor) {
  return { key, name, baseUrl, scopes, webhooks, signedInstall };
}

function askLines({ key, name, baseUrl, scopes, webhooks }: Descriptor): string[] {
  return [
    `  ${name} (${key}) at ${baseUrl}`,
    `  asks for ${scopes.length === 0 ? 'no scopes' : scopes.join(', ')}`,
    ...webhooks.map(
      ({ event, url }) => `  is told of ${event === '*' ? 'everything granted' : event} at ${url}`,
    ),
  ];
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
