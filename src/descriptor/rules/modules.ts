// UI modules: known types by any of their names, keys that are unique over all of them.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { escapePointer } from '../../core/json-source.ts';
import { schemaFaults } from '../../core/schema-faults.ts';
import { didYouMean } from '../../core/suggest.ts';
import type { Platform } from '../../platform/platform.ts';
import { isObject } from '../webhooks.ts';
import type { RuleContext } from './context.ts';

const KEY_FORM = /^[A-Za-z0-9._-]{1,128}$/;

export function modulesRule(context: RuleContext): void {
  const { modules } = context.document;
  if (!isObject(modules)) return;
  const keys = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const [name, value] of Object.entries(modules)) {
    if (name === 'webhooks' || name === 'webhook') continue;
    const at = `/modules/${escapePointer(name)}`;
    const type = context.platform.modules.find(name);
    if (type === undefined) {
      context.warn(
        at,
        'module_unknown',
        `"${name}" is not a module type of this platform and is ignored.`,
        didYouMean(name, context.platform.modules.all.keys()),
      );
    }
    const items = Array.isArray(value) ? value : [value];
    items.forEach((item, i) => {
      const pointer = Array.isArray(value) ? `${at}/${i}` : at;
      if (!isObject(item)) {
        context.error(pointer, 'module_type', `Each item of "${name}" must be an object.`);
        return;
      }
      checkKey(context, item.key, pointer, keys);
      if (type === undefined) return;
      checkItem(context, type, item, pointer);
      const count = (counts.get(type) ?? 0) + 1;
      counts.set(type, count);
      if (count === 2 && context.platform.modules.all.get(type)!.single) {
        context.error(pointer, 'module_single', `There can be one "${type}" only.`, 'Keep one.');
      }
    });
  }
}

function checkKey(
  context: RuleContext,
  key: unknown,
  pointer: string,
  keys: Map<string, string>,
): void {
  if (typeof key !== 'string') return;
  const before = keys.get(key);
  if (before !== undefined) {
    context.error(
      `${pointer}/key`,
      'module_key_duplicate',
      `The key "${key}" is used by ${before} already (line ${context.lineOf(before)}).`,
      'Keys are unique over all modules of a descriptor.',
    );
  } else {
    keys.set(key, pointer);
  }
}

function checkItem(
  context: RuleContext,
  type: string,
  item: Record<string, unknown>,
  pointer: string,
): void {
  const module = context.platform.modules.all.get(type)!;
  if (!module.keyless) {
    if (typeof item.key !== 'string' || !KEY_FORM.test(item.key)) {
      context.error(
        item.key === undefined ? pointer : `${pointer}/key`,
        'module_key',
        `A "${type}" needs a key of letters, digits, ".", "_" and "-".`,
      );
    }
    const name = isObject(item.name) ? item.name.value : item.name;
    if (item.name !== undefined && typeof name !== 'string') {
      context.error(`${pointer}/name`, 'module_name', 'A name is a string, or {"value": string}.');
    }
    if (item.url !== undefined && typeof item.url !== 'string') {
      context.error(`${pointer}/url`, 'module_url', 'A url is a string.');
    }
    context.checkAddress(item.url, `${pointer}/url`);
  }
  if (
    typeof item.location === 'string' &&
    module.locations &&
    !module.locations.includes(item.location)
  ) {
    context.warn(
      `${pointer}/location`,
      'module_location_unknown',
      `"${item.location}" is not a location for "${type}"; it is never shown.`,
      didYouMean(item.location, module.locations),
    );
  }
  const fits = itemSchema(context.platform, type);
  if (fits && !fits(item)) {
    const source = {
      ...context.source,
      locate: (at: string) => context.source.locate(pointer + at),
    };
    for (const fault of schemaFaults(fits.errors as ErrorObject[], source, 'module')) {
      context.faults.push({ ...fault, pointer: pointer + (fault.pointer ?? '') });
    }
  }
}

const compiled = new WeakMap<Platform, Map<string, ValidateFunction>>();

function itemSchema(platform: Platform, type: string): ValidateFunction | undefined {
  let schemas = compiled.get(platform);
  if (!schemas) {
    const ajv = new Ajv({ allErrors: true, verbose: true, strict: false });
    addFormats.default(ajv);
    const { definitions = {} } = platform.definition;
    schemas = new Map(
      [...platform.modules.all].flatMap(([name, { item }]) =>
        item ? [[name, ajv.compile({ ...item, definitions })] as const] : [],
      ),
    );
    compiled.set(platform, schemas);
  }
  return schemas.get(type);
}
