// Identifiers: UUIDv7 for rows in order of making, a hash for what must come out the same twice.
import { hash, randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

/** @param now milliseconds since 1970, where the id belongs to something that has a time. */
export function newId(now?: number): string {
  return now === undefined ? v7() : v7({ msecs: now, random: randomBits() });
}

const ID_BYTES = 16;
const pool = Buffer.alloc(256 * ID_BYTES);
let used = pool.length;

/** Drawn by the hundred: a draw costs more than its bytes. */
function randomBits(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += ID_BYTES;
  return pool.subarray(used - ID_BYTES, used);
}

/**
 * A UUID (version 8, RFC 9562 section 5.8) made from its parts: the same parts give the same id on
 * every machine, which is what makes fan-out repeatable and gives a receiver one id over all attempts.
 */
export function derivedId(...parts: string[]): string {
  const hex = hash('sha256', parts.join('\u0000'), 'hex');
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * The same, beginning with a time as version 7 does: what is listed by id is listed by time, and an index over ids
 * grows at its end.
 * @param time milliseconds since 1970.
 */
export function derivedIdAt(time: number, ...parts: string[]): string {
  return timePrefix(time) + derivedId(...parts).slice(13);
}

/** Every derived id of a time is above the first and below the second. */
export function derivedIdsAt(time: number): [above: string, below: string] {
  return [`${timePrefix(time)}-`, `${timePrefix(time)}.`];
}

/** The time that a UUID of version 7, or of `derivedIdAt`, begins with; undefined if it is no UUID. */
export function timeOf(id: string): number | undefined {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-[78]/.test(id)) return undefined;
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function timePrefix(time: number): string {
  const hex = Math.max(0, Math.floor(time)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

/** Virtual partitions, the unit in which replicas share out the work. */
export const BUCKETS = 256;

/** Which of them: FNV-1a, folded to a byte. */
export function bucketOf(id: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) sum = Math.imul(sum ^ id.charCodeAt(i), 0x01000193);
  return (sum ^ (sum >>> 8) ^ (sum >>> 16) ^ (sum >>> 24)) & 0xff;
}
