// GET /.well-known/oauth-authorization-server (RFC 8414): the configured issuer, whatever Host a request has.
import type Router from '@koa/router';
import type { HostParts } from '../../host/parts.ts';
import { GRANT_TYPES } from '../../host/token.ts';

export function metadataRoute(router: Router, parts: HostParts): void {
  const { baseUrl: issuer, platform } = parts.settings;
  const metadata = {
    issuer,
    authorization_endpoint: `${issuer}/oauth2/authorize`,
    token_endpoint: `${issuer}/oauth2/token`,
    revocation_endpoint: `${issuer}/oauth2/revoke`,
    introspection_endpoint: `${issuer}/oauth2/introspect`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    scopes_supported: [...platform.scopes.all.keys()],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: GRANT_TYPES,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    revocation_endpoint_auth_methods_supported: [
      'client_secret_basic',
      'client_secret_post',
      'none',
    ],
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  };
  router.get('/.well-known/oauth-authorization-server', (ctx) => {
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.body = metadata;
  });
}
