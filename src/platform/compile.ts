// From JSON text to a Platform: shape (schema), then what a schema cannot say. Every fault at once.
import { createHash } from 'node:crypto';
import { Ajv, type ErrorObject } from 'ajv';
import { describeFault, type Fault, MortiseError } from '../core/errors.ts';
import { escapePointer, type JsonSource, parseJson } from '../core/json-source.ts';
import { schemaFaults } from '../core/schema-faults.ts';
import { readSchema } from '../core/schemas.ts';
import { didYouMean } from '../core/suggest.ts';
import type { JsonSchema, PlatformDefinition, SignatureKind } from './definition.ts';
import { compileModules } from './modules.ts';
import { checkFields, readFields } from './payload-fields.ts';
import type { EventType, Platform } from './platform.ts';
import { DefinitionSchemas } from './schemas.ts';
import { compileScopes, type Scopes } from './scopes.ts';

const ALL_SIGNATURES: SignatureKind[] = ['standard', 'connect', 'hub'];

let validateShape: ReturnType<Ajv['compile']> | undefined;

/** Who starts one host after the other, as tests do, mostly starts them with the same definition. */
let latest: { text: string; platform: Platform } | undefined;

/**
 * @param text of the definition's JSON file.
 * @param name of the file, for the message.
 * @throws platform_invalid with every fault
 */
export function compilePlatform(text: string, name = 'platform definition'): Platform {
  if (latest?.text === text) return latest.platform;
  const source = parseJson(text);
  if ('fault' in source) throw platformInvalid(name, [source.fault]);
  validateShape ??= new Ajv({ allErrors: true, verbose: true, strict: false }).compile(
    readSchema('platform.schema.json'),
  );
  if (!validateShape(source.value)) {
    throw platformInvalid(
      name,
      schemaFaults(validateShape.errors as ErrorObject[], source, 'platform'),
    );
  }
  const definition = source.value as PlatformDefinition;
  const compiler = new DefinitionCompiler(definition, source);
  const platform = compiler.compile(createHash('sha256').update(text).digest('hex'));
  if (compiler.faults.length > 0) throw platformInvalid(name, compiler.faults);
  latest = { text, platform };
  return platform;
}

class DefinitionCompiler {
  readonly faults: Fault[] = [];
  readonly #definition: PlatformDefinition;
  readonly #source: JsonSource;
  readonly #scopes: Scopes;
  #schemas: DefinitionSchemas | undefined;

  constructor(definition: PlatformDefinition, source: JsonSource) {
    this.#definition = definition;
    this.#source = source;
    this.#scopes = compileScopes(definition);
  }

  compile(digest: string): Platform {
    const d = this.#definition;
    this.#checkScopes();
    this.#checkModules();
    this.#checkApi();
    return {
      definition: d,
      digest,
      key: d.key,
      name: d.name,
      scopes: this.#scopes,
      events: this.#compileEvents(),
      modules: compileModules(d),
      contextKinds: this.#contextKinds(),
      body: d.webhooks?.body ?? 'standard',
      signatures: new Set(d.webhooks?.signatures ?? ALL_SIGNATURES),
      accessTokenSeconds: d.oauth?.accessTokenSeconds ?? 3600,
      refreshFamilySeconds: d.oauth?.refreshFamilySeconds,
    };
  }

  #checkScopes(): void {
    for (const [name, scope] of Object.entries(this.#definition.scopes)) {
      (scope.implies ?? []).forEach((implied, i) => {
        this.#checkScope(implied, `/scopes/${escapePointer(name)}/implies/${i}`);
      });
    }
  }

  #checkScope(name: string, pointer: string): void {
    if (this.#scopes.all.has(name)) return;
    this.#fault(
      pointer,
      'platform_scope_unknown',
      `"${name}" is not a scope of this platform.`,
      didYouMean(name, this.#scopes.all.keys()),
    );
  }

  #checkModules(): void {
    const owners = new Map<string, string>();
    for (const [name, module] of Object.entries(this.#definition.modules ?? {})) {
      for (const alias of [name, ...(module.aliases ?? [])]) {
        const owner = owners.get(alias);
        if (owner) {
          this.#fault(
            `/modules/${escapePointer(name)}`,
            'platform_alias_taken',
            `"${alias}" already names the module type "${owner}".`,
          );
        }
        owners.set(alias, name);
      }
      if (module.item) this.#compileSchema(module.item, `/modules/${escapePointer(name)}/item`);
    }
  }

  #checkApi(): void {
    (this.#definition.api ?? []).forEach((route, i) => {
      this.#checkScope(route.scope, `/api/${i}/scope`);
    });
  }

  #contextKinds(): Map<string, string> {
    const kinds = new Map<string, string>();
    for (const [name, context] of Object.entries(this.#definition.contexts ?? {})) {
      for (const alias of [name, ...(context.aliases ?? [])]) kinds.set(alias, name);
    }
    return kinds;
  }

  #compileEvents(): Map<string, EventType> {
    const events = new Map<string, EventType>();
    const isScope = (name: string) => this.#scopes.all.has(name);
    for (const [type, event] of Object.entries(this.#definition.events)) {
      const at = `/events/${escapePointer(type)}`;
      this.#checkScope(event.scope, `${at}/scope`);
      if (event.resource && !this.#definition.resources?.[event.resource]) {
        this.#fault(
          `${at}/resource`,
          'platform_resource_unknown',
          `"${event.resource}" is not one of "resources".`,
          didYouMean(event.resource, Object.keys(this.#definition.resources ?? {})),
        );
      }
      for (const { pointer, code, message, hint } of checkFields(
        event.payload,
        `${at}/payload`,
        isScope,
        this.#resolve,
      )) {
        this.#fault(pointer, code, message, hint);
      }
      const fits = this.#compileSchema(event.payload, `${at}/payload`);
      if (!fits) continue;
      if (!fits(event.example)) {
        for (const error of fits.errors ?? []) {
          this.#fault(
            `${at}/example${error.instancePath}`,
            'platform_example',
            `The example does not fit the payload schema: ${error.message}.`,
          );
        }
      }
      events.set(type, { ...event, type, fits, fields: readFields(event.payload, this.#resolve) });
    }
    return events;
  }

  /** `$ref` counts from the top of the platform definition: `#/definitions/NAME`. */
  readonly #resolve = (ref: string): JsonSchema | undefined => {
    const name = /^#\/definitions\/([^/]+)$/.exec(ref)?.[1];
    if (name === undefined) return undefined;
    const decoded = decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
    const { definitions = {} } = this.#definition;
    return Object.hasOwn(definitions, decoded) ? definitions[decoded] : undefined;
  };

  #compileSchema(schema: JsonSchema, pointer: string) {
    try {
      this.#schemas ??= new DefinitionSchemas(this.#definition);
      return this.#schemas.compile(schema);
    } catch (error) {
      this.#fault(
        pointer,
        'platform_schema',
        `This is not a usable JSON Schema: ${(error as Error).message}.`,
      );
      return undefined;
    }
  }

  #fault(pointer: string, code: string, message: string, hint?: string): void {
    if (this.faults.some((f) => f.pointer === pointer && f.message === message)) return;
    this.faults.push({
      code,
      message,
      hint,
      pointer,
      ...this.#source.locate(pointer),
      severity: 'error',
    });
  }
}

function platformInvalid(name: string, faults: Fault[]): MortiseError {
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : '';
  return new MortiseError({
    code: 'platform_invalid',
    status: 500,
    message: `The ${name} has a mistake at ${describeFault(faults[0]!)}${more}`,
    hint: 'Correct the definition; its form is in schemas/platform.schema.json.',
    faults,
  });
}
