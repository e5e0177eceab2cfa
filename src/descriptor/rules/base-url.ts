// baseUrl: https, an address the host may call, and not the host itself.
import {
  bareHost,
  isLoopbackHost,
  isPrivateHost,
  portsAllowed,
  refusedPort,
} from '../../core/addresses.ts';
import { shownUrl } from '../../core/shown-url.ts';
import { isWebAddress } from '../address.ts';
import type { RuleContext } from './context.ts';

const AT = '/baseUrl';

export function baseUrlRule(context: RuleContext): void {
  const { baseUrl } = context.document;
  if (typeof baseUrl !== 'string' || baseUrl === '') return;
  if (!isWebAddress(baseUrl)) {
    context.error(
      AT,
      'base_url_invalid',
      `"${shownUrl(baseUrl)}" is not an absolute https address.`,
      /\s/.test(baseUrl) ? 'Remove the white space.' : 'Write it like "https://addon.example".',
    );
    return;
  }
  const url = new URL(baseUrl);
  const { policy, hostOrigin } = context.options;
  if (url.username || url.password) {
    context.error(
      AT,
      'url_credentials',
      'baseUrl carries a user name or password.',
      'Remove them: calls are signed.',
    );
  }
  if (url.search || url.hash) {
    context.error(
      AT,
      'base_url_invalid',
      'baseUrl has a query or a fragment.',
      'End it with the path.',
    );
  }
  if (url.protocol === 'http:' && !(policy.loopback && isLoopbackHost(url.hostname))) {
    context.error(
      AT,
      'base_url_not_https',
      `"${shownUrl(baseUrl)}" is not https.`,
      'Use https; for development on this machine start the host with --dev.',
    );
  }
  const port = url.protocol === 'https:' ? refusedPort(url, policy) : undefined;
  if (port !== undefined) {
    context.error(
      AT,
      'url_port',
      `baseUrl names port ${port}; this host calls ${portsAllowed(policy)}.`,
      'Use port 443, or ask the operator to allow the port.',
    );
  }
  if (isPrivateHost(url.hostname, policy)) {
    context.error(
      AT,
      'address_private',
      `"${bareHost(url.hostname)}" is not a public address; this host does not call it.`,
      'For development start with --dev (loopback only); otherwise publish the add-on on a public address.',
    );
  }
  if (hostOrigin !== undefined && url.origin === hostOrigin) {
    context.error(
      AT,
      'base_url_is_host',
      `"${shownUrl(baseUrl)}" is this host itself.`,
      'An add-on lives on an origin of its own.',
    );
  }
}
