// Which addresses and ports the host may call: public addresses on port 443, unless the deployment
// allows more.
import net from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * What may be called besides public addresses over https.
 * `loopback` is for development: 127.0.0.0/8 and ::1, at any port, and plain http to them.
 */
export interface OutboundPolicy {
  loopback: boolean;
  /** Further CIDR ranges this deployment allows, such as `10.20.0.0/16`. */
  ranges: string[];
  /** Further ports this deployment allows, over https like 443. */
  ports: number[];
}

export const PUBLIC_ONLY: OutboundPolicy = { loopback: false, ranges: [], ports: [] };

function isLoopbackAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback';
}

/** All of IPv6 that is assigned to anybody (RFC 4291 section 2.4). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Where clouds hand out credentials to whoever asks from inside. Some lie in private ranges that a
 * deployment may have reasons to allow, Azure's in a public one.
 */
const METADATA = new Set(
  [
    '169.254.169.254', // most of them
    '169.254.170.2', // AWS, of a container
    '169.254.170.23', // AWS, of a pod
    '100.100.100.200', // Alibaba
    '192.0.0.192', // Oracle
    '168.63.129.16', // Azure
    'fd00:ec2::254', // AWS
    'fd00:ec2::23', // AWS, of a pod
    'fd20:ce::254', // Google
  ].map(normal),
);

function normal(address: string): string {
  return ipaddr.process(address).toNormalizedString();
}

/**
 * Whether one resolved address may be connected to. IPv4 written inside IPv6 counts as what it
 * reaches if it is mapped (::ffff:0:0/96); compatible (::/96), 6to4, Teredo and NAT64 (64:ff9b::/96)
 * are never public. No range opens the metadata services.
 */
export function isAllowedAddress(address: string, policy: OutboundPolicy): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (METADATA.has(parsed.toNormalizedString())) return false;
  if (policy.loopback && parsed.range() === 'loopback') return true;
  for (const range of policy.ranges) {
    const [network, bits] = ipaddr.parseCIDR(range);
    if (network.kind() === parsed.kind() && parsed.match(network, bits)) return true;
  }
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(GLOBAL_UNICAST)) return false;
  return parsed.range() === 'unicast';
}

export function isRange(text: string): boolean {
  return ipaddr.isValidCIDR(text);
}

const HTTPS_PORT = 443;

/** The port of an http(s) URL if it may not be called. */
export function refusedPort(url: URL, policy: OutboundPolicy): number | undefined {
  if (policy.loopback && isLoopbackHost(url.hostname)) return undefined;
  const port = url.port === '' ? (url.protocol === 'https:' ? HTTPS_PORT : 80) : Number(url.port);
  return port === HTTPS_PORT || policy.ports.includes(port) ? undefined : port;
}

/** The ports that may be called, as they stand in a sentence. */
export function portsAllowed(policy: OutboundPolicy): string {
  const [last, ...others] = [...new Set([HTTPS_PORT, ...policy.ports])].reverse();
  return others.length === 0
    ? `port ${last} only`
    : `ports ${others.reverse().join(', ')} and ${last} only`;
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
