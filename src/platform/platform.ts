// A compiled platform definition: what everything else asks about scopes, events, contexts and modules.
import type { ValidateFunction } from 'ajv';
import type {
  BodyShape,
  EventTypeDefinition,
  PlatformDefinition,
  SignatureKind,
} from './definition.ts';
import type { Modules } from './modules.ts';
import type { FieldNode } from './payload-fields.ts';
import type { Scopes } from './scopes.ts';

export interface Platform {
  definition: PlatformDefinition;
  /** Of the definition's text: tells whether what was derived from it is still right. */
  digest: string;
  key: string;
  name: string;
  scopes: Scopes;
  events: ReadonlyMap<string, EventType>;
  modules: Modules;
  /** Kinds of contexts by every name descriptors use for them; empty if the platform has one place only. */
  contextKinds: ReadonlyMap<string, string>;
  body: BodyShape;
  signatures: ReadonlySet<SignatureKind>;
  accessTokenSeconds: number;
  /** How long what came from one consent can be refreshed, however often it is used; undefined = for ever. */
  refreshFamilySeconds: number | undefined;
}

export interface EventType extends EventTypeDefinition {
  type: string;
  fits: ValidateFunction;
  fields: FieldNode;
}
