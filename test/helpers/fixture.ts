import { readFileSync } from 'node:fs';

// biome-ignore lint/suspicious/noExplicitAny: recorded documents of many shapes
export function readFixture(name: string): any {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8'));
}
