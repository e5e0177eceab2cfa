// A browser without a window: keeps cookies, follows what a person would click. For what needs a real one, see
// test/pages.
import type { RunningHost } from './start-host.ts';

export interface Page {
  status: number;
  location: string | null;
  text: string;
  headers: Headers;
  /** Hidden fields of the page's forms, the last of each name. */
  hidden: Record<string, string>;
}

export class Browser {
  readonly #base: string;
  readonly #cookies = new Map<string, string>();

  constructor(running: Pick<RunningHost, 'url'>) {
    this.#base = running.url;
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies;
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Page> {
    return this.#send('GET', path, headers);
  }

  async post(
    path: string,
    form: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Page> {
    return this.#send('POST', path, { origin: this.#base, ...headers }, new URLSearchParams(form));
  }

  async signIn(user: string): Promise<void> {
    const { hidden } = await this.get('/signin');
    const answer = await this.post('/signin', { ...hidden, user });
    if (answer.status !== 303) throw new Error(`signing in as ${user} answered ${answer.status}`);
  }

  async #send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: URLSearchParams,
  ): Promise<Page> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, this.#base), {
      method,
      redirect: 'manual',
      headers: { ...headers, ...(cookie && { cookie }) },
      body,
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      this.#cookies.set(name!, value!);
    }
    const text = await response.text();
    const hidden = Object.fromEntries(
      [...text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map((m) => [
        m[1]!,
        m[2]!,
      ]),
    );
    return {
      status: response.status,
      location: response.headers.get('location'),
      text,
      headers: response.headers,
      hidden,
    };
  }
}
