// Identifiers: UUIDv7 for rows in order of making, a hash for what must come out the same twice.
import { createHash } from 'node:crypto';
import { v7 } from 'uuid';

export function newId(): string {
  return v7();
}

/**
 * A UUID (version 8, RFC 9562 section 5.8) made from its parts: the same parts give the same id on
 * every machine, which is what makes fan-out repeatable and gives a receiver one id over all attempts.
 */
export function derivedId(...parts: string[]): string {
  const hash = createHash('sha256').update(parts.join('\u0000')).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x80;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** One of 256 virtual partitions, the unit in which replicas share out the work. */
export function bucketOf(id: string): number {
  return createHash('sha256').update(id).digest()[0]!;
}
