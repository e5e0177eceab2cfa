// The main job, end to end, each step checked: a descriptor is installed, a real push reaches the add-on signed and
// within its scopes, the add-on answers with its token.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { listStatuses } from '../code-host/rest/statuses.ts';
import type { CodeHost } from '../code-host/start.ts';
import type { AddonProcess } from './addon-process.ts';
import { consentLink } from './consent-link.ts';
import { expectStatus, type Json, operatorOf } from './operator.ts';
import { pushAsAlice } from './push.ts';
import type { Teller } from './teller.ts';

export interface Cast {
  codeHost: CodeHost;
  checker: AddonProcess;
  neighbour: AddonProcess;
  /** The add-ons could not have their usual ports. */
  acceptNewOrigin: boolean;
}

export async function tellStory(
  teller: Teller,
  { codeHost, checker, neighbour, acceptNewOrigin }: Cast,
): Promise<void> {
  const operator = operatorOf(codeHost.url, codeHost.operatorToken);
  let asks: Json;

  await teller.step('The host fetches an add-on’s descriptor and validates it', async (fact) => {
    const { url } = await checker.waitFor('listening');
    const answer = expectStatus(
      await operator('POST', '/descriptors/validate', { descriptorUrl: url }),
      200,
    );
    if (!answer.valid) throw new Error(JSON.stringify(answer.errors));
    asks = answer.asks;
    fact('descriptor', url);
    fact('valid', `yes, ${answer.warnings.length} warnings`);
  });

  await teller.step(
    'It shows what is asked for, and installs it in the workspace acme',
    async (fact) => {
      const scopes = expectStatus(await operator('GET', '/scopes'), 200).items;
      for (const name of asks.scopes) {
        fact('asks', `${name}: ${scopes.find((scope: Json) => scope.name === name).sentence}`);
      }
      for (const { event } of asks.webhooks) fact('is told of', event);
      const from = checker.here;
      const installed = await install(`${checker.url}/descriptor.json`);
      const { method, url, status, durationMs } = installed.exchanges[0];
      fact('approved', `on the command line, as ${installed.scopes.join(', ')}`);
      fact('called', `${method} ${url} → ${status} after ${durationMs} ms`);
      const { clientKey } = await checker.waitFor('installed', from);
      fact('add-on', `verified RS256 with the host’s key and keeps the secret of ${clientKey}`);
    },
  );

  let pushed: Awaited<ReturnType<typeof pushAsAlice>> | undefined;
  let eventId = '';
  let fromChecker = 0;
  let fromNeighbour = 0;
  await teller.step(
    'A real git push; the record of it and the event are one transaction',
    async (fact) => {
      await neighbour.waitFor('listening');
      const before = neighbour.here;
      await install(`${neighbour.url}/descriptor.json`);
      await neighbour.waitFor('installed', before);
      fact('also there', `a nosier add-on, ${neighbour.url}, granted "repository" only`);
      [fromChecker, fromNeighbour] = [checker.here, neighbour.here];
      pushed = await pushAsAlice(codeHost.url, codeHost.alicePassword);
      fact(
        'pushed',
        `2 commits to ${codeHost.url}/acme/site.git: ${pushed.messages.map((m) => `“${m}”`).join(', ')}`,
      );
      const record = codeHost.parts.db
        .prepare<[], { event_id: string; pusher: string }>(
          'SELECT event_id, pusher FROM code_pushes ORDER BY id DESC LIMIT 1',
        )
        .get();
      if (!record) throw new Error('the product has no record of the push');
      eventId = record.event_id;
      const event = expectStatus(await operator('GET', `/events/${eventId}`), 200);
      fact('recorded', `push by ${record.pusher}, with event ${event.type} ${eventId}`);
    },
  );

  await teller.step('The signed webhook arrives, and the add-on verifies it', async (fact) => {
    const { event, id, attempt, signatures, withheld } = await checker.waitFor(
      'webhook',
      fromChecker,
    );
    fact('event', `${event}, delivery ${id}, attempt ${attempt}`);
    fact('verified', (signatures as string[]).join(', '));
    if ((signatures as string[]).length !== 3)
      throw new Error('not all three signatures were there');
    const delivery = await deliveryTo('commit-checker', 'delivered');
    fact('answered', `${delivery.attempts[0].status} after ${delivery.attempts[0].durationMs} ms`);
    fact('withheld', withheld ?? 'nothing');
  });

  await teller.step(
    'With its token the add-on clones, reads the messages and answers over REST',
    async (fact) => {
      const token = await checker.waitFor('token', fromChecker);
      fact('token', `by client credentials, for ${(token.scopes as string[]).join(' ')}`);
      const cloned = await checker.waitFor('cloned', fromChecker);
      fact('cloned', `${cloned.repository} as ${cloned.as} in ${cloned.ms} ms`);
      for (let seen = 0; seen < 2; ) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        await checker.waitFor('status', fromChecker);
        seen = checker.linesFrom(fromChecker).filter(({ what }) => what === 'status').length;
      }
      for (const [i, hash] of pushed!.hashes.entries()) {
        const [status] = listStatuses(codeHost.parts, 'acme/site', hash);
        if (!status) throw new Error(`commit ${hash} has no status`);
        fact('status', `“${pushed!.messages[i]}” ${status.state}: ${status.description}`);
      }
    },
  );

  await teller.step(
    'The nosier add-on subscribes to * and gets what it was granted',
    async (fact) => {
      const { event, withheld, hasAddress } = await neighbour.waitFor('webhook', fromNeighbour);
      const delivery = await deliveryTo('nosy-neighbour', 'delivered');
      fact('got', `${event}, signed like the other`);
      if (hasAddress || delivery.withheld.length === 0)
        throw new Error('an e-mail address reached it');
      for (const { pointer, scope } of delivery.withheld) {
        fact('left out', `${pointer}: needs "${scope}", and it was granted "repository"`);
      }
      fact('was told so', `Mortise-Withheld: ${withheld}`);
    },
  );

  await teller.step('An add-on that asks for an unknown scope is refused', async (fact) => {
    const text = readFileSync(new URL('./misspelt-descriptor.json', import.meta.url));
    const server = createServer((_request, response) => response.end(text));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const descriptorUrl = `http://localhost:${(server.address() as { port: number }).port}/descriptor.json`;
    const refused = expectStatus(
      await operator('POST', '/installations', { descriptorUrl, context: 'acme' }),
      422,
    );
    server.close();
    const [fault] = refused.errors;
    fact('answered', `422 ${refused.code}`);
    fact(
      'because',
      `line ${fault.line}, column ${fault.column}, ${fault.pointer}: ${fault.message}`,
    );
    fact('so', fault.hint);
    if (!String(fault.hint).includes('repository:write')) throw new Error('no suggestion was made');
  });

  await teller.step(
    'A user is asked, on a page of the host, before an integration may act for them',
    async (fact) => {
      const { link, name } = await consentLink(operator, codeHost.url);
      const page = await fetch(link, { redirect: 'manual' });
      if (page.status !== 303)
        throw new Error(`the host answered ${page.status} to a browser that is not signed in`);
      fact('registered', `${name}, for repository and, if you like, issue and email`);
      fact('open', link);
      fact('sign in', 'as alice; any name will do on this machine');
      fact('take back', `${codeHost.url}/account/authorizations`);
    },
  );

  async function install(descriptorUrl: string): Promise<Json> {
    return expectStatus(
      await operator('POST', '/installations', { descriptorUrl, context: 'acme', acceptNewOrigin }),
      201,
    );
  }

  /** The delivery log catches up within a commit or two. */
  async function deliveryTo(addonKey: string, state: string): Promise<Json> {
    for (let tries = 0; tries < 100; tries++) {
      const { items } = expectStatus(
        await operator('GET', `/deliveries?event=${eventId}&state=${state}`),
        200,
      );
      const found = items.find((delivery: Json) => delivery.addonKey === addonKey);
      if (found) return expectStatus(await operator('GET', `/deliveries/${found.id}`), 200);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the delivery log has no ${state} delivery to ${addonKey}`);
  }
}
