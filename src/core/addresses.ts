// Which addresses the host may call: public ones only, unless the deployment allows more.
import net from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * What may be called besides public addresses over https.
 * `loopback` is for development: 127.0.0.0/8, ::1, and plain http to them.
 */
export interface OutboundPolicy {
  loopback: boolean;
  /** Further CIDR ranges this deployment allows, such as `10.20.0.0/16`. */
  ranges: string[];
}

export const PUBLIC_ONLY: OutboundPolicy = { loopback: false, ranges: [] };

function isLoopbackAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback';
}

/** All of IPv6 that is assigned to anybody (RFC 4291 section 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Whether one resolved address may be connected to. IPv4 written inside IPv6 counts as what it
 * reaches if it is mapped (::ffff:0:0/96); compatible (::/96), 6to4, Teredo and NAT64 (64:ff9b::/96)
 * are never public.
 */
export function isAllowedAddress(address: string, policy: OutboundPolicy): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (policy.loopback && parsed.range() === 'loopback') return true;
  for (const range of policy.ranges) {
    const [network, bits] = ipaddr.parseCIDR(range);
    if (network.kind() === parsed.kind() && parsed.match(network, bits)) return true;
  }
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(GLOBAL_UNICAST)) return false;
  return parsed.range() === 'unicast';
}

/** A host as it stands in a URL: literal addresses lose the brackets of IPv6. */
export function bareHost(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** Whether a URL's host says by itself that it is not called; what a name resolves to is looked at later. */
export function isPrivateHost(hostname: string, policy: OutboundPolicy): boolean {
  const host = bareHost(hostname);
  return net.isIP(host)
    ? !isAllowedAddress(host, policy)
    : isLoopbackHost(hostname) && !policy.loopback;
}

/** Whether a URL's host names this machine itself: plain http to it needs no network. */
export function isLoopbackHost(hostname: string): boolean {
  const host = bareHost(hostname).replace(/\.$/, '');
  return host === 'localhost' || host.endsWith('.localhost') || isLoopbackAddress(host);
}
