import { expect } from 'chai';
import {
  isAllowedAddress,
  isLoopbackHost,
  type OutboundPolicy,
  PUBLIC_ONLY,
} from '../../src/core/addresses.ts';

const LOOPBACK: OutboundPolicy = { loopback: true, ranges: [], ports: [] };
const RANGE: OutboundPolicy = { loopback: false, ranges: ['10.20.0.0/16', 'fd12::/16'], ports: [] };

describe('an address the host may call', () => {
  const allowed: [address: string, policy: OutboundPolicy][] = [
    ['93.184.215.14', PUBLIC_ONLY],
    ['2606:2800:21f:cb07:6820:80da:af6b:8b2c', PUBLIC_ONLY],
    ['::ffff:93.184.215.14', PUBLIC_ONLY],
    ['172.15.255.255', PUBLIC_ONLY],
    ['172.32.0.0', PUBLIC_ONLY],
    ['100.128.0.1', PUBLIC_ONLY],
    ['127.0.0.1', LOOPBACK],
    ['127.200.0.1', LOOPBACK],
    ['::1', LOOPBACK],
    ['::ffff:127.0.0.1', LOOPBACK],
    ['10.20.255.255', RANGE],
    ['::ffff:10.20.0.1', RANGE],
    ['fd12::1', RANGE],
    ['93.184.215.14', RANGE],
  ];
  for (const [address, policy] of allowed) {
    it(`is ${address} with ${JSON.stringify(policy)}`, () => {
      expect(isAllowedAddress(address, policy)).to.equal(true);
    });
  }

  const refused: [address: string, what: string][] = [
    ['0.0.0.0', 'this host'],
    ['0.1.2.3', 'this network'],
    ['10.0.0.1', 'private'],
    ['100.64.0.1', 'carrier-grade NAT'],
    ['127.0.0.1', 'loopback'],
    ['169.254.169.254', 'link-local, cloud metadata'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.0.0.1', 'IETF assignments'],
    ['192.0.2.1', 'documentation'],
    ['192.168.1.1', 'private'],
    ['198.18.0.1', 'benchmarking'],
    ['203.0.113.1', 'documentation'],
    ['224.0.0.1', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'broadcast'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::7f00:1', 'loopback, IPv4-compatible'],
    ['::a00:1', 'private, IPv4-compatible'],
    ['::ffff:0:10.0.0.1', 'private, translated'],
    ['4000::1', 'outside 2000::/3, assigned to nobody'],
    ['100::1', 'discarded'],
    ['2001:2::1', 'benchmarking'],
    ['3fff::1', 'documentation'],
    ['::ffff:10.0.0.1', 'private, mapped'],
    ['::ffff:7f00:1', 'loopback, mapped'],
    ['64:ff9b::a00:1', 'private, by NAT64'],
    ['64:ff9b:1::a00:1', 'private, by local NAT64'],
    ['2002:a00:1::', 'private, by 6to4'],
    ['2001:0:a00:1::', 'Teredo'],
    ['2001:db8::1', 'documentation'],
    ['fc00::1', 'unique local'],
    ['fd00::1', 'unique local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local with its zone'],
    ['fec0::1', 'site-local, which was given up'],
    ['ff02::1', 'multicast'],
    ['192.88.99.1', 'relay of 6to4'],
    ['168.63.129.16', 'metadata of Azure, in a public range'],
    ['100.100.100.200', 'metadata of Alibaba'],
    ['192.0.0.192', 'metadata of Oracle'],
    ['fd00:ec2::254', 'metadata of AWS'],
    ['::ffff:a9fe:a9fe', 'metadata, mapped'],
    ['::1%lo', 'loopback with its zone'],
    ['2001:1::1', 'IETF assignments'],
    ['5f00::1', 'segment routing'],
    ['localhost', 'a name'],
    ['', 'nothing'],
  ];
  for (const [address, what] of refused) {
    it(`is never ${address || 'an empty string'}: ${what}`, () => {
      expect(isAllowedAddress(address, PUBLIC_ONLY)).to.equal(false);
    });
  }

  it('is not any private one because loopback is allowed', () => {
    for (const address of ['10.0.0.1', '169.254.169.254', '0.0.0.0', '::', 'fd00::1'])
      expect(isAllowedAddress(address, LOOPBACK), address).to.equal(false);
  });

  it('is not a metadata service because its range is allowed', () => {
    const ranges = ['169.254.0.0/16', '100.64.0.0/10', 'fd00::/8', '168.63.129.16/32'];
    const policy = { loopback: false, ranges, ports: [] };
    expect(isAllowedAddress('169.254.1.1', policy)).to.equal(true);
    for (const address of [
      '169.254.169.254',
      '169.254.170.2',
      '100.100.100.200',
      '168.63.129.16',
      'fd00:ec2::254',
      'fd00:ec2:0:0:0:0:0:254',
      '::ffff:169.254.169.254',
    ])
      expect(isAllowedAddress(address, policy), address).to.equal(false);
  });

  it('is not one beside an allowed range', () => {
    for (const address of ['10.21.0.1', 'fd13::1', '127.0.0.1'])
      expect(isAllowedAddress(address, RANGE), address).to.equal(false);
  });
});

describe('a host that is this machine', () => {
  const rows: [host: string, is: boolean][] = [
    ['localhost', true],
    ['addon.localhost', true],
    ['localhost.', true],
    ['localhost..', false],
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['[::1]', true],
    ['localhost.example', false],
    ['notlocalhost', false],
    ['10.0.0.1', false],
    ['0.0.0.0', false],
    ['127.0.0.1.example', false],
  ];
  for (const [host, is] of rows) {
    it(`is ${is ? '' : 'not '}${host}`, () => {
      expect(isLoopbackHost(host)).to.equal(is);
    });
  }
});
