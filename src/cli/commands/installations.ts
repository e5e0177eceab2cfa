// mortise installations [ID]: what is installed; --rotate-secret renews one's secrets, --uninstall ends it, --test tries its
// webhooks, --recover declares its endpoint well.
import { type Command, Option } from 'commander';
import { type ClientOptions, callOperator, print, withClientOptions } from '../operator-client.ts';
import { table } from '../table.ts';

interface Options extends ClientOptions {
  uninstall?: boolean;
  rotateSecret?: boolean;
  /** true: the host chooses the event type. */
  test?: string | boolean;
  recover?: boolean;
  since?: string;
}

export function addInstallationsCommand(program: Command): void {
  withClientOptions(
    program
      .command('installations [id]')
      .description('list what is installed, or show, end, try or recover one, or renew its secrets')
      .addOption(
        new Option(
          '--rotate-secret',
          'tell it new secrets; the old ones are good for a day more',
        ).conflicts('uninstall'),
      )
      .option('--uninstall', 'uninstall it')
      .option('--test [type]', "send an event type's example to its webhooks, marked as a test")
      .option('--recover', 'its endpoint is well again: send at once, switch its webhooks on')
      .option('--since <time>', 'with --recover: send again what did not arrive since then'),
  ).action(installations);
}

async function installations(id: string | undefined, options: Options): Promise<void> {
  if (id === undefined) return list(options);
  const path = `/installations/${encodeURIComponent(id)}`;
  if (options.uninstall) {
    await callOperator(options, 'DELETE', path);
    return print(options, { id, state: 'uninstalled' }, [`${id} is uninstalled`]);
  }
  if (options.rotateSecret) {
    const rotated = await callOperator<{ previousValidUntil: string }>(
      options,
      'POST',
      `${path}/rotate-secret`,
    );
    return print(options, rotated, [
      `${id} has acknowledged new secrets; the old ones are good until ${rotated.previousValidUntil}`,
    ]);
  }
  if (options.test !== undefined) return test(path, options);
  if (options.recover) return recover(path, options);
  const one = await callOperator(options, 'GET', path);
  print(options, one, [JSON.stringify(one, null, 2)]);
}

async function test(path: string, options: Options): Promise<void> {
  const eventType = typeof options.test === 'string' ? options.test : undefined;
  const tested = await callOperator<{ items: Tested[] }>(options, 'POST', `${path}/test`, {
    eventType,
  });
  print(
    options,
    tested,
    tested.items.flatMap(({ eventType, sent, status, durationMs, message, excerpt }) => [
      `${eventType}: ${sent.method} ${sent.url} answered ${status ?? 'nothing'} after ${durationMs} ms`,
      ...(message ? [`  ${message}`] : []),
      ...(excerpt ? [`  ${excerpt}`] : []),
    ]),
  );
}

async function recover(path: string, options: Options): Promise<void> {
  const recovered = await callOperator<Recovered>(options, 'POST', `${path}/recover`, {
    since: options.since,
  });
  const { webhooksOn, replay } = recovered;
  print(options, recovered, [
    'It is sent to again at once.',
    ...(webhooksOn.length > 0 ? [`  webhooks switched on again: ${webhooksOn.join(', ')}`] : []),
    ...(replay
      ? [`  ${replay.total} are sent again: mortise replay --status ${replay.id}`]
      : ['  to send again what did not arrive: --since TIME']),
  ]);
}

async function list(options: Options): Promise<void> {
  const page = await callOperator<{ items: Row[] }>(options, 'GET', '/installations?limit=200');
  print(
    options,
    page,
    page.items.length === 0
      ? ['Nothing is installed. Install an add-on: mortise install URL --context NAME']
      : table(
          ['ADD-ON', 'CONTEXT', 'STATE', 'DELIVERY', 'SCOPES', 'ID'],
          page.items.map(({ addonKey, context, state, delivery, scopes, id }) => [
            addonKey,
            context ?? '-',
            state,
            delivery.state,
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
  delivery: { state: string };
  scopes: string[];
}

interface Tested {
  eventType: string;
  sent: { method: string; url: string };
  status: number | null;
  message: string | null;
  excerpt: string | null;
  durationMs: number;
}

interface Recovered {
  webhooksOn: string[];
  replay: { id: string; total: number } | null;
}
