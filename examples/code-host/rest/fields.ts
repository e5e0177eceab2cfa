// Single fields of a JSON body. A wrong one is answered 400 with its name.
import type { Context } from 'koa';
import { readBody } from './body.ts';
import { bitbucketError } from './errors.ts';

type Read<T> = (value: unknown) => T | undefined;

export interface Field<T> {
  read: Read<T>;
  mustBe: string;
}

const MOST_CHARACTERS = 100_000;

export const text: Field<string> = {
  read: (value) => (isText(value) ? value : undefined),
  mustBe: 'a string',
};

export const title: Field<string> = {
  read: (value) =>
    isText(value) && value.trim() !== '' && value.length <= 255 ? value : undefined,
  mustBe: 'a string of 1 to 255 characters',
};

/** Bitbucket's own form for text with markup. */
export const rendered: Field<string> = {
  read: (value) => {
    const raw = (value as { raw?: unknown } | null)?.raw;
    return isText(raw) ? raw : undefined;
  },
  mustBe: 'an object with a string "raw"',
};

export const yesOrNo: Field<boolean> = {
  read: (value) => (typeof value === 'boolean' ? value : undefined),
  mustBe: 'true or false',
};

export function oneOf<T extends string>(...values: readonly T[]): Field<T> {
  return {
    read: (value) => values.find((known) => known === value),
    mustBe: `one of ${values.join(', ')}`,
  };
}

type Values<F> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** @returns undefined after answering 400 itself. What is in neither list is left alone, as Bitbucket does. */
export async function readFields<
  R extends Record<string, Field<unknown>>,
  // biome-ignore lint/complexity/noBannedTypes: nothing is optional by default
  O extends Record<string, Field<unknown>> = {},
>(ctx: Context, required: R, optional?: O): Promise<(Values<R> & Partial<Values<O>>) | undefined> {
  const body = await readBody(ctx);
  if (!body) return undefined;
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries({ ...optional, ...required })) {
    if (body[name] === undefined && !(name in required)) continue;
    const value = field.read(body[name]);
    if (value === undefined) {
      bitbucketError(
        ctx,
        400,
        body[name] === undefined ? `"${name}" is missing` : `"${name}" must be ${field.mustBe}`,
      );
      return undefined;
    }
    values[name] = value;
  }
  return values as Values<R> & Partial<Values<O>>;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MOST_CHARACTERS;
}
