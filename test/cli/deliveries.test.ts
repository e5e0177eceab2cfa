// Seen red: with the first page taken for all there is.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { mortise } from '../helpers/process.ts';

describe('mortise deliveries', () => {
  it('goes on where a page found nothing of what is asked for', async function () {
    this.timeout(20_000);
    const row = { id: 'd-1', eventType: 'repo:push', addonKey: 'rare', state: 'dropped' };
    const rest = { createdAt: '2026-01-01T00:00:00.000Z', attemptCount: 0, reason: 'disabled' };
    const pages: Record<string, unknown> = {
      '': { items: [], next: 'p-2' },
      'p-2': { items: [], next: 'p-3' },
      'p-3': { items: [{ ...row, ...rest }], next: null },
    };
    const asked: string[] = [];
    const server = createServer((request, response) => {
      const { searchParams } = new URL(request.url!, 'http://host');
      asked.push(searchParams.get('after') ?? '');
      expect(searchParams.get('state')).to.equal('dropped');
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(pages[asked.at(-1)!]));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code, output } = await mortise(
      ['deliveries', '--state', 'dropped', '--url', url, '--token', 'x'],
      {},
    );
    server.close();
    expect(code, output).to.equal(0);
    expect(output).to.include('d-1');
    expect(asked).to.deep.equal(['', 'p-2', 'p-3']);
  });
});
