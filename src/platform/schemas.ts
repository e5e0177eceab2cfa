// The JSON Schemas in a definition, made into functions.
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { JsonSchema, PlatformDefinition } from './definition.ts';

const DOCUMENT = 'platform';

/**
 * All are compiled as one document, since most of what each says is in the `definitions` they share: on its own, each
 * would compile those anew, which took a host most of its start.
 */
export class DefinitionSchemas {
  readonly #ajv: Ajv;
  readonly #definitions: Record<string, JsonSchema>;
  readonly #refs = new Map<JsonSchema, string>();

  constructor({ events, modules = {}, definitions = {} }: PlatformDefinition) {
    this.#definitions = definitions;
    this.#ajv = new Ajv({
      allErrors: true,
      strict: true,
      ownProperties: true,
      strictTypes: false,
      strictRequired: false,
      verbose: true,
      // V8 does it where it is worth it; here it takes as long as all the rest.
      code: { optimize: false },
    });
    addFormats.default(this.#ajv);
    this.#ajv.addKeyword({ keyword: 'x-open', schemaType: 'boolean' });
    this.#ajv.addKeyword({ keyword: 'x-scope', schemaType: 'string' });
    const schemas: JsonSchema[] = [...Object.values(events).map(({ payload }) => payload)];
    for (const { item } of Object.values(modules)) if (item) schemas.push(item);
    for (const [i, schema] of schemas.entries()) this.#refs.set(schema, `${DOCUMENT}#/$defs/${i}`);
    const $defs = Object.fromEntries(schemas.map(({ $id: _, ...schema }, i) => [i, schema]));
    this.#ajv.addSchema({ $id: DOCUMENT, definitions, $defs }, undefined, false);
  }

  /**
   * @param schema a payload's or an item's, as it stands in the definition
   * @throws Error where it is no usable schema
   */
  compile(schema: JsonSchema): ValidateFunction {
    this.#ajv.validateSchema({ ...schema, definitions: this.#definitions }, true);
    return this.#ajv.getSchema(this.#refs.get(schema)!)!;
  }
}
