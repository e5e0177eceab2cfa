// A sample integration that wants to act for a user: registered once, and the address that asks the user.
import { expectStatus, type Json, type Operator } from './operator.ts';

const NAME = 'Release notes';

export async function consentLink(
  operator: Operator,
  hostUrl: string,
): Promise<{ link: string; name: string }> {
  const { items } = expectStatus(await operator('GET', '/consumers?limit=200'), 200);
  const known: Json = items.find(({ name }: Json) => name === NAME);
  const consumer: Json =
    known ??
    expectStatus(
      await operator('POST', '/consumers', {
        name: NAME,
        // Back at the host's own front page: this integration has no server of its own.
        redirectUris: [`${hostUrl}/`],
        scopes: ['repository', 'issue', 'email'],
        owner: 'acme',
      }),
      201,
    );
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: consumer.clientId,
    scope: 'repository',
    optional_scope: 'issue email',
    prompt: 'consent',
  });
  return { link: `${hostUrl}/oauth2/authorize?${query}`, name: NAME };
}
