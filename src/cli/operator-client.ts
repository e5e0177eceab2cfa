// Calls a running host's operator API, for the commands.
import { join } from 'node:path';
import type { Command } from 'commander';
import { type Fault, MortiseError } from '../core/errors.ts';
import { readRemembered } from '../host/dev-data.ts';

export interface ClientOptions {
  url?: string;
  token?: string;
  data: string;
  json?: boolean;
}

export const DEFAULT_DATA = '.mortise';

/** The options of every command that talks to a host. */
export function withClientOptions(command: Command): Command {
  return command
    .option('--url <url>', 'the host (MORTISE_URL; default: the one that runs on the data folder)')
    .option(
      '--token <token>',
      'the operator token (MORTISE_OPERATOR_TOKEN; default: the one in the data folder)',
    )
    .option(
      '--data <folder>',
      'the data folder of a host started with --dev',
      process.env.MORTISE_DATA ?? DEFAULT_DATA,
    )
    .option('--json', 'print JSON');
}

/**
 * @typeParam T what the call answers.
 * @param path below /operator/v1.
 * @throws what the host answered, or host_unreachable
 */
export async function callOperator<T = Record<string, unknown>>(
  options: ClientOptions,
  method: string,
  path: string,
  body?: unknown,
): Promise<T> {
  const url = options.url ?? process.env.MORTISE_URL ?? readRemembered(options.data, 'url');
  if (url === undefined) throw noHost(options.data);
  const token =
    options.token ??
    process.env.MORTISE_OPERATOR_TOKEN ??
    readRemembered(options.data, 'operator-token');
  if (token === undefined) {
    throw new MortiseError({
      code: 'operator_token_missing',
      status: 401,
      message: 'No operator token was given.',
      hint: 'Set MORTISE_OPERATOR_TOKEN or give --token.',
    });
  }
  const response = await fetch(`${url.replace(/\/+$/, '')}/operator/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((cause: Error & { cause?: Error }) => {
    throw new MortiseError({
      code: 'host_unreachable',
      status: 503,
      message: `No host answers at ${url} (${cause.cause?.message ?? cause.message}).`,
      hint: 'Start one with "mortise serve --dev --platform FILE", or give --url.',
    });
  });
  const text = await response.text();
  const answer = parse(text);
  if (response.ok) return answer as T;
  throw fromProblem(response.status, answer, text);
}

export function print(options: { json?: boolean }, value: unknown, lines: string[]): void {
  const text = options.json ? JSON.stringify(value, null, 2) : lines.map(harmless).join('\n');
  process.stdout.write(`${text}\n`);
}

/** What others have written must not steer the terminal. */
function harmless(line: string): string {
  return line.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}

function parse(text: string): Record<string, unknown> {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return {};
  }
}

function fromProblem(status: number, problem: Record<string, unknown>, text: string): MortiseError {
  const { code, title, hint, errors, exchange } = problem;
  return new MortiseError({
    code: typeof code === 'string' ? code : 'host_answer',
    status,
    message:
      typeof title === 'string' ? title : `The host answered ${status}: ${text.slice(0, 200)}`,
    hint: typeof hint === 'string' ? hint : undefined,
    faults: errors as Fault[] | undefined,
    extensions: exchange === undefined ? {} : { exchange },
  });
}

function noHost(folder: string): MortiseError {
  return new MortiseError({
    code: 'host_unknown',
    status: 404,
    message: `No host was named, and none has run on ${join(folder, '')}.`,
    hint: 'Give --url or set MORTISE_URL; or start one with "mortise serve --dev --platform FILE".',
  });
}
