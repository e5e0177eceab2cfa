// Fields of a JSON body and of a query, with their types checked: a wrong one is named.
import { MortiseError } from '../core/errors.ts';

type Body = Record<string, unknown>;

export function optionalString(body: Body, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw wrong(name, 'a string');
}

export function optionalStrings(body: Body, name: string): string[] | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw wrong(name, 'a list of strings');
}

export function requiredStrings(body: Body, name: string): string[] {
  const value = optionalStrings(body, name);
  if (value !== undefined) return value;
  throw wrong(name, 'a list of strings');
}

/** null means all. */
export function optionalStringsOrNull(body: Body, name: string): string[] | null | undefined {
  return body[name] === null ? null : optionalStrings(body, name);
}

export function optionalBoolean(body: Body, name: string): boolean | undefined {
  const value = body[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw wrong(name, 'true or false');
}

export function optionalOneOf<T extends string>(
  body: Body,
  name: string,
  allowed: readonly T[],
): T | undefined {
  const value = body[name];
  if (value === undefined || value === '') return undefined;
  if (allowed.includes(value as T)) return value as T;
  throw wrong(name, `one of ${allowed.join(', ')}`);
}

export function optionalWholeNumber(
  body: Body,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most)
    return value as number;
  throw wrong(name, `a whole number from ${least} to ${most}`);
}

/** A page size from a query: 1 to 200, 50 unless asked. */
export function pageLimit(query: Body): number {
  const text = query.limit;
  if (text === undefined) return 50;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= 200) return limit;
  throw wrong('limit', 'a whole number from 1 to 200');
}

/** Milliseconds or an ISO 8601 time. */
export function optionalTime(query: Body, name: string): number | undefined {
  const text = query[name];
  if (text === undefined || text === '') return undefined;
  const time = /^\d+$/.test(String(text)) ? Number(text) : Date.parse(String(text));
  if (Number.isFinite(time)) return time;
  throw wrong(name, 'a time, such as 2026-01-31T12:00:00Z');
}

/** A misspelt field must not be passed over in silence. */
export function refuseOthers(body: Body, known: readonly string[]): void {
  const other = Object.keys(body).find((name) => !known.includes(name));
  if (other === undefined) return;
  throw new MortiseError({
    code: 'field_unknown',
    status: 422,
    message: `"${other}" is not a field of this call.`,
    hint: `Known: ${known.join(', ')}.`,
  });
}

function wrong(name: string, what: string): MortiseError {
  return new MortiseError({
    code: 'field_invalid',
    status: 422,
    message: `"${name}" must be ${what}.`,
  });
}
