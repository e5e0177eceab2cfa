// A sample add-on as a process of its own; what it prints, a JSON line each, can be waited for.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface AddonLine {
  what: string;
  [fact: string]: unknown;
}

export class AddonProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #lines: AddonLine[] = [];
  #tell: (() => void)[] = [];
  #errors = '';

  constructor(name: string, port: number, hostUrl: string, dataFolder: string) {
    this.url = `http://localhost:${port}`;
    const main = fileURLToPath(new URL(`../${name}/main.ts`, import.meta.url));
    this.#child = spawn(process.execPath, ['--import', 'tsx', main], {
      env: { ...process.env, PORT: String(port), HOST_URL: hostUrl, DATA: dataFolder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#lines.push(JSON.parse(line));
      for (const tell of this.#tell.splice(0)) tell();
    });
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
  }

  /** The first line after `from` that says `what`; fails with what the add-on said instead. */
  async waitFor(what: string, from = 0, timeoutMs = 10_000): Promise<AddonLine> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const later = this.#lines.slice(from);
      const line = later.find((l) => l.what === what);
      if (line) return line;
      const bad = later.find((l) => l.what === 'refused' || l.what === 'failed');
      if (bad) throw new Error(`the add-on says: ${bad.message}`);
      if (this.#child.exitCode !== null)
        throw new Error(`the add-on has ended: ${this.#errors.slice(-500)}`);
      if (Date.now() > end)
        throw new Error(`the add-on said no "${what}" within ${timeoutMs / 1000} s`);
      await new Promise<void>((resolve) => {
        this.#tell.push(resolve);
        setTimeout(resolve, 200);
      });
    }
  }

  /** Where the next line will stand. */
  get here(): number {
    return this.#lines.length;
  }

  linesFrom(from: number): AddonLine[] {
    return this.#lines.slice(from);
  }

  stop(): void {
    this.#child.kill();
  }
}

/** The wished-for port, or any free one if another process has it. */
export function freePort(wished: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(freePort(0)));
    probe.listen(wished, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
