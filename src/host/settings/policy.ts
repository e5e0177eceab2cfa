// Which addresses may be called.
import { isRange, type OutboundPolicy } from '../../core/addresses.ts';
import type { HostOptions } from '../options.ts';
import { invalid } from './faults.ts';

export function readPolicy(
  { allowAddresses = [], allowPorts = [] }: HostOptions,
  isDev: boolean,
): OutboundPolicy {
  for (const range of allowAddresses) {
    if (isRange(range)) continue;
    throw invalid(
      'allowAddresses',
      `"${range}" is not a range of addresses.`,
      'Write it like 10.20.0.0/16 or fd12::/16, a single address like 10.20.0.1/32.',
    );
  }
  for (const port of allowPorts) {
    if (Number.isInteger(port) && port > 0 && port <= 65_535) continue;
    throw invalid('allowPorts', `"${port}" is not a port.`, 'Write it like 8443.');
  }
  return { loopback: isDev, ranges: allowAddresses, ports: allowPorts };
}
