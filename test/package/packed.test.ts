// What is shipped: the packed tarball, unpacked into a project of its own, running the README's own example.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { operatorOf } from '../../examples/story/operator.ts';
import { fakeAddon } from '../helpers/fake-addon.ts';
import { startProcess } from '../helpers/process.ts';
import { SECRET_KEY } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const readme = readFileSync('README.md', 'utf8');
const block = (language: string, containing: string) => {
  const found = [...readme.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].find(
    (m) => m[1]!.includes(containing),
  );
  if (!found) throw new Error(`README.md has no ${language} block with ${containing}`);
  return found[1]!;
};

describe('the packed package', function () {
  this.timeout(120_000);
  let project: string;

  before(() => {
    project = temporaryFolder();
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', project], {
      encoding: 'utf8',
    });
    mkdirSync(join(project, 'node_modules', 'mortise'), { recursive: true });
    const tarball = join(project, packed.trim().split('\n').at(-1)!);
    execFileSync('tar', [
      '-xzf',
      tarball,
      '--strip-components=1',
      '-C',
      join(project, 'node_modules', 'mortise'),
    ]);
    for (const name of readdirSync('node_modules')) {
      if (!name.startsWith('.'))
        symlinkSync(resolve('node_modules', name), join(project, 'node_modules', name));
    }
    writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  });

  const run = (code: string) =>
    execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
      cwd: project,
      encoding: 'utf8',
    });

  it('has just its public doors', () => {
    expect(run("console.log(Object.keys(await import('mortise')).sort().join())").trim()).to.equal(
      'MortiseError,createHost,devData,rememberUrl',
    );
    expect(run("console.log('verifyWebhook' in await import('mortise/addon'))").trim()).to.equal(
      'true',
    );
    expect(
      run("await import('mortise/dist/host/install.js').catch((e) => console.log(e.code))").trim(),
    ).to.equal('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('has a command line that needs no sources', () => {
    const bin = join(project, 'node_modules', 'mortise', 'bin', 'mortise.js');
    const output = execFileSync(
      process.execPath,
      [bin, 'validate', resolve('descriptors/minimal.json')],
      { encoding: 'utf8' },
    );
    expect(output).to.match(/minimal\.json: valid/);
  });

  it("runs the README's embedding example: guarded route, event, webhook without the address", async () => {
    writeFileSync(join(project, 'platform.json'), block('json', '"note:created"'));
    const code = block('js', 'createHost');
    expect(code.trim().split('\n').length).to.be.at.most(25);
    writeFileSync(join(project, 'product.js'), code);
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    const product = startProcess(
      ['product.js'],
      { PORT: String(port), MORTISE_OPERATOR_TOKEN: 'op', MORTISE_SECRET_KEY: SECRET_KEY },
      project,
    );
    const url = `http://localhost:${port}`;
    for (let i = 0; i < 200; i++) {
      const ready = await fetch(`${url}/readyz`).catch(() => undefined);
      if (ready?.ok) break;
      await new Promise((r) => setTimeout(r, 50));
    }
    const addon = await fakeAddon({ scopes: ['note:write'] });
    const installed = await operatorOf(url, 'op')('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    expect(installed.status, product.output()).to.equal(201);
    const { oauthClientId: client_id, oauthClientSecret: client_secret } =
      addon.to('/installed')[0]!.json;
    const token = await fetch(`${url}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret }),
    }).then((r) => r.json() as Promise<{ access_token: string }>);
    const headers = { authorization: `Bearer ${token.access_token}` };
    expect((await fetch(`${url}/api/acme/notes`, { method: 'POST' })).status).to.equal(401);
    expect((await fetch(`${url}/api/other/notes`, { method: 'POST', headers })).status).to.equal(
      403,
    );
    expect((await fetch(`${url}/api/acme/notes`, { method: 'POST', headers })).status).to.equal(
      200,
    );
    const hook = await addon.waitFor('/hook');
    expect(hook.json.data).to.deep.equal({ text: 'Hello', author: { name: 'Alice' } });
    expect(hook.headers['mortise-withheld']).to.equal('/author/email;scope=email');
    await product.kill();
    await addon.stop();
  });
});
