import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { operatorOf } from '../../examples/story/operator.ts';
import type { MortiseError } from '../../src/core/errors.ts';
import { createHost } from '../../src/index.ts';
import { selfSigned } from '../core/self-signed.ts';
import { MORTISE, startProcess } from '../helpers/process.ts';
import { OPERATOR_TOKEN, SECRET_KEY } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function serve(port: number, env: Record<string, string>) {
  return startProcess(
    [
      ...[MORTISE, 'serve', '--platform', 'platforms/bitbucket.json'],
      ...['--port', `${port}`, '--database', join(temporaryFolder(), 'mortise.db')],
      ...['--base-url', 'https://code.example', '--listen', '127.0.0.1'],
    ],
    { MORTISE_OPERATOR_TOKEN: OPERATOR_TOKEN, MORTISE_SECRET_KEY: SECRET_KEY, ...env },
  );
}

describe('what a deployment allows besides public addresses and port 443', function () {
  this.timeout(60_000);

  for (const [option, value, sentence] of [
    ['allowAddresses', ['10.20.0.0'], /"10\.20\.0\.0" is not a range.*10\.20\.0\.0\/16/],
    ['allowAddresses', ['10.20.0.0/33'], /"10\.20\.0\.0\/33" is not a range/],
    ['allowAddresses', ['addon.example/8'], /is not a range/],
    ['allowPorts', [0], /"0" is not a port.*8443/],
    ['allowPorts', [65_536], /is not a port/],
    ['allowPorts', [Number.NaN], /is not a port/],
  ] as const) {
    it(`is refused when it is unreadable: ${option} ${value}`, () => {
      let refusal: unknown;
      try {
        createHost({
          platform: 'platforms/bitbucket.json',
          database: ':memory:',
          baseUrl: 'https://code.example',
          secretKey: SECRET_KEY,
          [option]: value,
        });
      } catch (error) {
        refusal = error;
      }
      const { code, message, hint } = refusal as MortiseError;
      expect(code).to.equal('option_invalid');
      expect(`${message} ${hint}`).to.match(sentence);
    });
  }

  it('is refused by serve too', async () => {
    const server = serve(0, { MORTISE_ALLOW_PORTS: '8443,https' });
    expect(await server.ended()).to.equal(1);
    expect(server.output()).to.contain('"allowPorts" cannot be used.');
  });

  it('comes from MORTISE_ALLOW_ADDRESSES and MORTISE_ALLOW_PORTS', async () => {
    const certificate = selfSigned('localhost');
    const authorities = join(temporaryFolder(), 'authorities.pem');
    writeFileSync(authorities, certificate.cert);
    const addon = createServer(certificate, (_request, response) => response.end('{}'));
    await new Promise<void>((resolve) => addon.listen(0, '127.0.0.1', resolve));
    const { port } = addon.address() as AddressInfo;
    const ranges = '10.20.0.0/16, 127.0.0.0/8, ::1/128';
    const codes: string[] = [];
    const environments: Record<string, string>[] = [
      {},
      { MORTISE_ALLOW_PORTS: `8443, ${port}` },
      { MORTISE_ALLOW_PORTS: `8443, ${port}`, MORTISE_ALLOW_ADDRESSES: ranges },
    ];
    for (const env of environments) {
      const listening = await freePort();
      const server = serve(listening, { NODE_EXTRA_CA_CERTS: authorities, ...env });
      await server.waitFor(/^mortise listening on/m);
      const operator = operatorOf(`http://127.0.0.1:${listening}`, OPERATOR_TOKEN);
      const { json } = await operator('POST', '/descriptors/validate', {
        descriptorUrl: `https://localhost:${port}/descriptor.json`,
      });
      codes.push(json.errors[0].code);
      await server.kill();
    }
    addon.close();
    expect(codes).to.deep.equal([
      'descriptor_url_port',
      'descriptor_address_private',
      'descriptor_required',
    ]);
  });
});
