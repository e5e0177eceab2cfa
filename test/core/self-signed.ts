// Certificates made here and now, so that tests can have one that is expired, of another host or of a stranger.
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

const DAY_MS = 24 * 3_600_000;

export interface Certificate {
  key: string;
  cert: string;
}

/** @param host the only name it is for; a day long unless said otherwise. */
export function selfSigned(
  host: string,
  notBefore = new Date(Date.now() - DAY_MS),
  notAfter = new Date(Date.now() + DAY_MS),
): Certificate {
  const keys = newKeys();
  const name = newName();
  return certificate(host, notBefore, notAfter, keys, name, { key: keys.privateKey, name });
}

/** Signed by an issuer whose own certificate nobody has. */
export function issuedByStranger(host: string): Certificate {
  const from = new Date(Date.now() - DAY_MS);
  const to = new Date(Date.now() + DAY_MS);
  const stranger = { key: newKeys().privateKey, name: newName() };
  return certificate(host, from, to, newKeys(), newName(), stranger);
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function newName(): Buffer {
  return sequence(
    der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(`Test ${randomUUID()}`)))),
  );
}

function certificate(
  host: string,
  notBefore: Date,
  notAfter: Date,
  { publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject },
  name: Buffer,
  issuer: { key: KeyObject; name: Buffer },
): Certificate {
  const algorithm = sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1])), // serial number
    algorithm,
    issuer.name,
    sequence(time(notBefore), time(notAfter)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        // basicConstraints: its own authority; subjectAltName: the host
        sequence(oid('551d13'), der(0x04, sequence(der(0x01, Buffer.from([0xff]))))),
        sequence(oid('551d11'), der(0x04, sequence(der(0x82, Buffer.from(host))))),
      ),
    ),
  );
  const signature = sign('sha256', toBeSigned, issuer.key);
  const certificate = sequence(
    toBeSigned,
    algorithm,
    der(0x03, Buffer.concat([Buffer.from([0]), signature])),
  );
  const lines = certificate
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function time(date: Date): Buffer {
  return der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}
