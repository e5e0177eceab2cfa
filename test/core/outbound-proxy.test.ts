import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { expect } from 'chai';

const SOURCE = JSON.stringify(new URL('../../src/core/outbound.ts', import.meta.url).href);

describe('a proxy', () => {
  it('of the environment, or of the process, is not used', async () => {
    let proxied = 0;
    const proxy = net.createServer((socket) => {
      proxied++;
      socket.on('error', () => {}).destroy();
    });
    const server = createServer((_request, response) => response.end('ok'));
    for (const each of [proxy, server])
      await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve));
    const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const script = `
      import { EnvHttpProxyAgent, ProxyAgent, setGlobalDispatcher } from 'undici';
      import { createOutbound } from ${SOURCE};
      const out = createOutbound({ loopback: true, ranges: [], ports: [] });
      const url = 'http://127.0.0.1:${(server.address() as AddressInfo).port}/';
      const send = () => out.send({ method: 'GET', url, headers: {}, maxBytes: 100 });
      const answers = [await send()];
      for (const agent of [new EnvHttpProxyAgent(), new ProxyAgent(process.env.HTTP_PROXY)]) {
        setGlobalDispatcher(agent);
        answers.push(await send());
      }
      console.log(JSON.stringify(answers.map(({ status }) => status)));
      await out.close();
    `;
    const env = Object.fromEntries(
      ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'].map(
        (name) => [name, proxyUrl],
      ),
    );
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { env: { ...process.env, ...env, NO_PROXY: '', no_proxy: '', NODE_USE_ENV_PROXY: '1' } },
    );
    proxy.close();
    server.close();
    expect(JSON.parse(stdout)).to.deep.equal([200, 200, 200]);
    expect(proxied).to.equal(0);
  });
});
