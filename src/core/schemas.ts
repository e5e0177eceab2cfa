// The JSON Schemas that ship with the package.
import { readFileSync } from 'node:fs';

export function readSchema(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(`../../schemas/${name}`, import.meta.url), 'utf8'));
}
