// A platform definition as it stands in its JSON file (schemas/platform.schema.json).

export interface PlatformDefinition {
  key: string;
  name: string;
  description?: string;
  resources?: Record<string, { title?: string; within?: string }>;
  contexts?: Record<string, { title?: string; aliases?: string[] }>;
  scopes: Record<string, ScopeDefinition>;
  events: Record<string, EventTypeDefinition>;
  modules?: Record<string, ModuleDefinition>;
  descriptors?: {
    scopeCase?: 'exact' | 'any';
    missingScopes?: 'none' | 'all';
    signedInstall?: boolean;
  };
  webhooks?: { body?: BodyShape; signatures?: SignatureKind[] };
  oauth?: {
    aliases?: { authorize?: string; token?: string };
    accessTokenSeconds?: number;
    refreshFamilySeconds?: number;
  };
  api?: { method: string; path: string; scope: string; resource?: string }[];
  definitions?: Record<string, JsonSchema>;
}

export type BodyShape = 'payload' | 'connect' | 'standard';
export type SignatureKind = 'standard' | 'connect' | 'hub';

export interface ScopeDefinition {
  title?: string;
  sentence: string;
  level?: 'read' | 'write' | 'admin';
  resource?: string;
  implies?: string[];
  /** Whoever holds it may act as any user (RFC 7523). */
  actAsUser?: boolean;
}

export interface EventTypeDefinition {
  title: string;
  description?: string;
  scope: string;
  resource?: string;
  payload: JsonSchema;
  example: Record<string, unknown>;
}

export interface ModuleDefinition {
  title?: string;
  aliases?: string[];
  single?: boolean;
  keyless?: boolean;
  item?: JsonSchema;
  locations?: string[];
}

/** Draft-07, with `x-open` and `x-scope`. */
export type JsonSchema = { [keyword: string]: unknown };
