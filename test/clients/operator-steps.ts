// What an operator does in these tests, in one line each.
import type { Answer, RunningHost } from '../helpers/start-host.ts';

export function install(host: RunningHost, descriptorUrl: string): Promise<Answer> {
  return host.operator('POST', '/installations', { descriptorUrl, context: 'acme' });
}

export function uninstall(host: RunningHost, id: string): Promise<Answer> {
  return host.operator('DELETE', `/installations/${id}`);
}

/** Publishes the platform's own example of an event, as of acme/site. */
export async function publish(host: RunningHost, type = 'repo:push'): Promise<string> {
  const { json } = await host.operator('GET', `/event-types/${type}`);
  const published = await host.operator('POST', '/events', {
    type,
    context: 'acme',
    resource: 'acme/site',
    payload: json.example,
  });
  return published.json.id;
}
