// mortise consumers: OAuth clients registered by hand; mortise grants: what users let them do.
import type { Command } from 'commander';
import { type ClientOptions, callOperator, print, withClientOptions } from '../operator-client.ts';
import { table } from '../table.ts';

interface RegisterOptions extends ClientOptions {
  redirectUri?: string[];
  eventsUri?: string;
  scopes?: string;
  owner?: string;
  public?: boolean;
  oauth1?: boolean;
}

interface ConsumerView {
  clientId: string;
  clientSecret?: string;
  name: string;
  scopes: string[] | null;
  owner: string | null;
  public: boolean;
}

export function addConsumersCommand(program: Command): void {
  const consumers = program
    .command('consumers')
    .description('list, register and delete OAuth consumers');
  withClientOptions(
    consumers.command('list', { isDefault: true }).description('list consumers'),
  ).action(list);
  withClientOptions(
    consumers
      .command('register <name>')
      .description('register a consumer; its secret is shown this once')
      .option('--redirect-uri <uri...>', 'where answers may go')
      .option('--events-uri <uri>', 'where it is told that a user took back a grant')
      .option('--scopes <list>', 'what it may ask for, separated by commas')
      .option('--owner <context>', 'the workspace or site it belongs to')
      .option('--public', 'it can keep no secret: PKCE is compulsory')
      .option('--oauth1', 'it is an OAuth 1.0a consumer as well'),
  ).action(register);
  withClientOptions(
    consumers.command('delete <client-id>').description('delete a consumer and every grant to it'),
  ).action(remove);
}

export function addGrantsCommand(program: Command): void {
  withClientOptions(
    program
      .command('grants')
      .description('list what was granted to whom, or end one')
      .option('--user <id>', 'of one user')
      .option('--end <id>', 'end this grant: its tokens die at once'),
  ).action(grants);
}

async function list(options: ClientOptions): Promise<void> {
  const page = await callOperator<{ items: ConsumerView[] }>(
    options,
    'GET',
    '/consumers?limit=200',
  );
  print(
    options,
    page,
    page.items.length === 0
      ? [
          'No consumers. Register one: mortise consumers register NAME --redirect-uri URI --scopes LIST',
        ]
      : table(
          ['NAME', 'OWNER', 'SCOPES', 'CLIENT ID'],
          page.items.map(({ name, owner, scopes, clientId }) => [
            name,
            owner ?? '-',
            scopes === null ? 'all (grandfathered)' : scopes.join(' ') || '-',
            clientId,
          ]),
        ),
  );
}

async function register(name: string, options: RegisterOptions): Promise<void> {
  const consumer = await callOperator<ConsumerView>(options, 'POST', '/consumers', {
    name,
    redirectUris: options.redirectUri ?? [],
    eventsUri: options.eventsUri,
    scopes:
      options.scopes
        ?.split(',')
        .map((scope) => scope.trim())
        .filter(Boolean) ?? [],
    owner: options.owner,
    public: options.public,
    oauth1: options.oauth1,
  });
  print(options, consumer, [
    `${consumer.name} is registered`,
    `  client id      ${consumer.clientId}`,
    ...(consumer.clientSecret === undefined
      ? []
      : [`  client secret  ${consumer.clientSecret}   (shown this once)`]),
  ]);
}

async function remove(clientId: string, options: ClientOptions): Promise<void> {
  await callOperator(options, 'DELETE', `/consumers/${encodeURIComponent(clientId)}`);
  print(options, { clientId, deleted: true }, [`${clientId} is deleted`]);
}

interface GrantView {
  id: string;
  consumerName: string;
  user: string | null;
  kind: string;
  context: string | null;
  scopes: string[];
}

async function grants(options: ClientOptions & { user?: string; end?: string }): Promise<void> {
  if (options.end !== undefined) {
    await callOperator(options, 'DELETE', `/grants/${encodeURIComponent(options.end)}`);
    return print(options, { id: options.end, ended: true }, [`${options.end} has ended`]);
  }
  const query = options.user === undefined ? '' : `&user=${encodeURIComponent(options.user)}`;
  const page = await callOperator<{ items: GrantView[] }>(
    options,
    'GET',
    `/grants?limit=200${query}`,
  );
  print(
    options,
    page,
    page.items.length === 0
      ? ['Nothing was granted.']
      : table(
          ['TO', 'BY', 'SCOPES', 'ID'],
          page.items.map(({ consumerName, user, kind, context, scopes, id }) => [
            consumerName,
            user ?? `${kind} ${context ?? ''}`.trim(),
            scopes.join(' ') || '-',
            id,
          ]),
        ),
  );
}
