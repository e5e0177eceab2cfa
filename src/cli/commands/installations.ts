// mortise installations [ID]: what is installed; --rotate-secret renews its secrets, --uninstall ends it.
import { type Command, Option } from 'commander';
import { type ClientOptions, callOperator, print, withClientOptions } from '../operator-client.ts';
import { table } from '../table.ts';

interface Options extends ClientOptions {
  uninstall?: boolean;
  rotateSecret?: boolean;
}

export function addInstallationsCommand(program: Command): void {
  withClientOptions(
    program
      .command('installations [id]')
      .description('list what is installed, or show or end one, or renew its secrets')
      .addOption(
        new Option(
          '--rotate-secret',
          'tell it new secrets; the old ones are good for a day more',
        ).conflicts('uninstall'),
      )
      .option('--uninstall', 'uninstall it'),
  ).action(installations);
}

async function installations(id: string | undefined, options: Options): Promise<void> {
  if (id === undefined) return list(options);
  if (options.uninstall) {
    await callOperator(options, 'DELETE', `/installations/${encodeURIComponent(id)}`);
    return print(options, { id, state: 'uninstalled' }, [`${id} is uninstalled`]);
  }
  if (options.rotateSecret) {
    const path = `/installations/${encodeURIComponent(id)}/rotate-secret`;
    const rotated = await callOperator<{ previousValidUntil: string }>(options, 'POST', path);
    return print(options, rotated, [
      `${id} has acknowledged new secrets; the old ones are good until ${rotated.previousValidUntil}`,
    ]);
  }
  const one = await callOperator(options, 'GET', `/installations/${encodeURIComponent(id)}`);
  print(options, one, [JSON.stringify(one, null, 2)]);
}

async function list(options: Options): Promise<void> {
  const page = await callOperator<{ items: Row[] }>(options, 'GET', '/installations?limit=200');
  print(
    options,
    page,
    page.items.length === 0
      ? ['Nothing is installed. Install an add-on: mortise install URL --context NAME']
      : table(
          ['ADD-ON', 'CONTEXT', 'STATE', 'SCOPES', 'ID'],
          page.items.map(({ addonKey, context, state, scopes, id }) => [
            addonKey,
            context ?? '-',
            state,
            scopes.join(' ') || '-',
            id,
          ]),
        ),
  );
}

interface Row {
  id: string;
  addonKey: string;
  context: string | null;
  state: string;
  scopes: string[];
}
