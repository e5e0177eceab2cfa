import { expect } from 'chai';
import { startProcess } from '../helpers/process.ts';

describe('npm start -- --once', () => {
  it('tells the whole story and ends with 0', async function () {
    this.timeout(60_000);
    const story = startProcess(['--import', 'tsx', 'examples/start.ts', '--once'], {
      PORT: '',
      MORTISE_DATA: '',
    });
    const code = await story.ended();
    expect(code, story.output()).to.equal(0);
    expect(story.output().match(/✓ \d+ ms/g)).to.have.length(8);
    expect(story.output()).to.match(/verified +standard, connect, hub/);
    expect(story.output()).to.match(/“fix” FAILED/);
    expect(story.output()).to.match(/left out +\/actor\/email: needs "email"/);
    expect(story.output()).to.match(/line 7, column 14, \/scopes\/0/);
    expect(story.output()).to.match(/open +http:\/\/localhost:\d+\/oauth2\/authorize\?/);
    // Nothing that could be used is printed.
    expect(story.output()).not.to.match(/mta_|whsec_|sharedSecret/);
  });

  it('ends with 1 and says why when the port is taken', async function () {
    this.timeout(30_000);
    const { createServer } = await import('node:net');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const story = startProcess(['--import', 'tsx', 'examples/start.ts', '--once'], {
      PORT: String(port),
      MORTISE_DATA: '',
    });
    expect(await story.ended()).to.equal(1);
    expect(story.output()).to.match(new RegExp(`Port ${port} is in use`));
    server.close();
  });
});
