// The sample code host in this process, with somebody who may do everything through its API.
import { type CodeHost, startCodeHost } from '../../examples/code-host/start.ts';
import { registerConsumer, type TestConsumer, token } from '../helpers/consumer.ts';
import type { Answer, RunningHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

export interface RunningCodeHost extends RunningHost {
  codeHost: CodeHost;
  /** A consumer of acme with every scope; narrow its tokens. */
  consumer: TestConsumer;
  /** A token of it: by client credentials, for acme itself. */
  token(scope?: string): Promise<string>;
  /** A call of the REST API, with everything allowed unless another token is given. */
  rest(method: string, path: string, body?: unknown, accessToken?: string): Promise<Answer>;
  /** As a new commit on main. @returns its hash */
  commit(files: Record<string, string>, branch?: string): Promise<string>;
}

export async function runCodeHost(): Promise<RunningCodeHost> {
  const codeHost = await startCodeHost({
    port: 0,
    dataFolder: temporaryFolder(),
    logLevel: 'silent',
  });
  const { url, operatorToken } = codeHost;

  async function request(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(url + path, { method, redirect: 'manual', ...init });
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, text, json };
  }

  const running = {
    codeHost,
    url,
    request,
    operator: (method: string, path: string, body?: unknown) =>
      request(method, `/operator/v1${path}`, {
        headers: { authorization: `Bearer ${operatorToken}`, 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      }),
    stop: () => codeHost.close(),
    async token(scope = '') {
      const parameters = { grant_type: 'client_credentials', scope };
      const { json } = await token(running, running.consumer, parameters);
      return json.access_token;
    },
    rest: (method: string, path: string, body?: unknown, accessToken = everything) =>
      request(method, path, {
        headers: {
          ...(accessToken !== '' && { authorization: `Bearer ${accessToken}` }),
          ...(body !== undefined &&
            !(body instanceof URLSearchParams) && { 'content-type': 'application/json' }),
        },
        body: body === undefined || body instanceof URLSearchParams ? body : JSON.stringify(body),
      }),
    async commit(files: Record<string, string>, branch = 'main') {
      const form = new URLSearchParams({ message: 'Change files', branch, ...files });
      const { status, json, text } = await running.rest(
        'POST',
        '/2.0/repositories/acme/site/src',
        form,
      );
      if (status !== 201) throw new Error(`a commit answered ${status}: ${text}`);
      return json.hash;
    },
    // A code host has no app to add to.
  } as RunningCodeHost;

  const scopes = [...codeHost.host.platform.scopes.all.keys()];
  running.consumer = await registerConsumer(running, { owner: undefined, scopes });
  const everything = await running.token();
  return running;
}
