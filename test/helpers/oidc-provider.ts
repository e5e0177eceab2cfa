// An OpenID provider that is a real HTTP server: whoever comes to authorize is signed in already, as `claims`.
import { createHash, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import jwt from 'jsonwebtoken';

export const CLIENT_ID = 'mortise-of-the-tests';
export const CLIENT_SECRET = 'client-secret:of/the%tests';

type Algorithm = 'ES256' | 'RS256';

export interface OidcProvider {
  issuer: string;
  /** Of the ID token; change them as you like. */
  claims: Record<string, unknown>;
  /** More of them, at the userinfo endpoint; undefined: there is none. */
  userinfo: Record<string, unknown> | undefined;
  metadata: Record<string, unknown>;
  /** The only way it takes. */
  authentication: 'client_secret_basic' | 'client_secret_post';
  /** Answers authorization requests with this error. */
  error: string | undefined;
  /** Signs with a key that is not published. */
  isForging: boolean;
  /** Authorization requests so far. */
  asked: URLSearchParams[];
  /** Token requests that were answered with tokens. */
  tokensGiven: number;
  /** On the same port as before. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function oidcProvider(algorithm: Algorithm = 'ES256'): Promise<OidcProvider> {
  const key = newKey(algorithm);
  const stranger = newKey(algorithm);
  const codes = new Map<string, URLSearchParams>();
  let server = createServer(answer);
  let port = 0;

  const provider: OidcProvider = {
    issuer: '',
    claims: { sub: 'u-1', name: 'Alice Liddell' },
    userinfo: undefined,
    metadata: {},
    authentication: 'client_secret_basic',
    error: undefined,
    isForging: false,
    asked: [],
    tokensGiven: 0,
    async start() {
      server = createServer(answer);
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      port = (server.address() as AddressInfo).port;
      provider.issuer = `http://127.0.0.1:${port}`;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  function answer(request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk;
    });
    request.on('end', () => {
      const url = new URL(request.url!, provider.issuer);
      if (url.pathname === '/.well-known/openid-configuration') send(response, 200, metadata());
      else if (url.pathname === '/jwks')
        send(response, 200, {
          keys: [{ ...createPublicKey(key).export({ format: 'jwk' }), kid: 'k1', use: 'sig' }],
        });
      else if (url.pathname === '/authorize') authorize(url.searchParams, response);
      else if (url.pathname === '/token')
        token(request.headers.authorization, new URLSearchParams(body), response);
      else if (url.pathname === '/userinfo')
        send(response, 200, { sub: provider.claims.sub, ...provider.userinfo });
      else send(response, 404, {});
    });
  }

  function metadata() {
    const { issuer, userinfo, authentication } = provider;
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      ...(userinfo && { userinfo_endpoint: `${issuer}/userinfo` }),
      token_endpoint_auth_methods_supported: [authentication],
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [algorithm],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      ...provider.metadata,
    };
  }

  function authorize(question: URLSearchParams, response: ServerResponse): void {
    provider.asked.push(question);
    const code = randomBytes(16).toString('hex');
    codes.set(code, question);
    const back = new URL(question.get('redirect_uri')!);
    back.search = String(
      new URLSearchParams({
        ...(provider.error ? { error: provider.error } : { code }),
        state: question.get('state')!,
        iss: provider.issuer,
      }),
    );
    response.writeHead(302, { location: back.href }).end();
  }

  function isClient(authorization: string | undefined, form: URLSearchParams): boolean {
    if (provider.authentication === 'client_secret_post')
      return form.get('client_id') === CLIENT_ID && form.get('client_secret') === CLIENT_SECRET;
    const [, credentials = ''] = /^Basic (.+)$/.exec(authorization ?? '') ?? [];
    const parts = Buffer.from(credentials, 'base64').toString().split(':').map(decodeURIComponent);
    return parts.length === 2 && parts[0] === CLIENT_ID && parts[1] === CLIENT_SECRET;
  }

  function token(
    authorization: string | undefined,
    form: URLSearchParams,
    response: ServerResponse,
  ): void {
    if (!isClient(authorization, form)) {
      send(response, 401, { error: 'invalid_client' });
      return;
    }
    const question = codes.get(form.get('code') ?? '');
    codes.delete(form.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (
      question?.get('code_challenge_method') !== 'S256' ||
      question.get('code_challenge') !== challenge ||
      question.get('redirect_uri') !== form.get('redirect_uri')
    ) {
      send(response, 400, { error: 'invalid_grant' });
      return;
    }
    const claims: Record<string, unknown> = {
      aud: CLIENT_ID,
      nonce: question.get('nonce'),
      ...provider.claims,
    };
    provider.tokensGiven++;
    send(response, 200, {
      access_token: randomBytes(16).toString('hex'),
      token_type: 'Bearer',
      id_token: jwt.sign(claims, provider.isForging ? stranger : key, {
        algorithm,
        keyid: 'k1',
        expiresIn: 300,
        ...(claims.iss === undefined && { issuer: provider.issuer }),
      } as jwt.SignOptions),
    });
  }

  await provider.start();
  return provider;
}

function newKey(algorithm: Algorithm) {
  return algorithm === 'ES256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
