// The OpenID provider people sign in through.
import type { OidcClient } from '../../oauth/oidc.ts';
import type { SignInOptions } from '../options.ts';
import { invalid, missing } from './faults.ts';

export function readSignIn(
  signIn: SignInOptions | undefined,
  isDev: boolean,
): OidcClient | undefined {
  if (signIn === undefined) return undefined;
  const { issuer, clientId, clientSecret, operatorClaim } = signIn;
  if (!clientId)
    throw missing(
      'signIn.clientId',
      'who this host is at the OpenID provider',
      'Set MORTISE_OIDC_CLIENT_ID to what the provider registered.',
    );
  if (!clientSecret)
    throw missing(
      'signIn.clientSecret',
      'how this host proves itself to the OpenID provider',
      'Set MORTISE_OIDC_CLIENT_SECRET to what the provider registered.',
    );
  return {
    issuer: readIssuer(issuer, isDev),
    clientId,
    clientSecret,
    operatorClaim: operatorClaim ? readClaim(operatorClaim) : undefined,
    isPlainHttpAllowed: isDev,
  };
}

function readIssuer(text: string, isDev: boolean): string {
  const option = 'signIn.issuer';
  const example = 'Set MORTISE_OIDC_ISSUER like https://id.example, as the provider writes it.';
  if (!text) throw missing(option, 'the OpenID provider', example);
  if (!URL.canParse(text)) throw invalid(option, `"${text}" is not a URL.`, example);
  const url = new URL(text);
  if (url.username || url.password || url.search || url.hash)
    throw invalid(option, 'An issuer has no user, query or fragment.', example);
  // openid-client would take the address of the metadata too, and then not check who the issuer is.
  if (url.pathname.includes('/.well-known/'))
    throw invalid(option, `"${text}" is the address of the metadata, not the issuer.`, example);
  if (url.protocol !== 'https:' && !(isDev && url.protocol === 'http:')) {
    throw invalid(
      option,
      `"${text}" is not https.`,
      'Use https, or --dev for development on this machine.',
    );
  }
  return text;
}

function readClaim(text: string): { name: string; value: string } {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, at), text.slice(at + 1)];
  if (at > 0 && value !== '') return { name, value };
  throw invalid(
    'signIn.operatorClaim',
    `"${text}" is not a claim and its value.`,
    'Set MORTISE_OIDC_OPERATOR_CLAIM like groups=platform-operators.',
  );
}
