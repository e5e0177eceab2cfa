// What a guarded request is about: its context and its resource, read from the route's parameters.
import type { Context } from 'koa';
import type { Platform } from '../platform/platform.ts';

export interface PlaceOptions {
  /**
   * The resource this request is about, by the product's own name: a template over the route's parameters, or a function.
   * Without it the route is about its whole context, which a token limited to resources does not cover. null: the route
   * itself leaves out what ctx.state.mortise.resources does not name.
   */
  resource?: string | ((ctx: Context) => string) | null;
  /**
   * The context it belongs to. Default: the route parameter named like one of the platform's kinds of contexts,
   * or like an alias of one.
   */
  context?: string | ((ctx: Context) => string);
}

export interface Place {
  context: (ctx: Context) => string | undefined;
  resource: ((ctx: Context) => string) | null | undefined;
}

export function readPlace({ context, resource }: PlaceOptions, platform: Platform): Place {
  return {
    context:
      context === undefined
        ? firstParameter([...platform.contextKinds.keys()])
        : readTemplate(context),
    resource: resource === undefined || resource === null ? resource : readTemplate(resource),
  };
}

function firstParameter(names: string[]): Place['context'] {
  return (ctx) => {
    for (const name of names) {
      const value = ctx.params?.[name];
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

/** A template is taken apart once, not at every request. */
function readTemplate(template: string | ((ctx: Context) => string)): (ctx: Context) => string {
  if (typeof template === 'function') return template;
  const [start = '', ...rest] = template.split(/\{(\w+)\}/);
  return (ctx) => {
    let text = start;
    for (let i = 0; i < rest.length; i += 2) {
      const value = ctx.params?.[rest[i]!];
      if (value === undefined) {
        throw new Error(`guard(): the route has no parameter "${rest[i]}"`);
      }
      text += value + rest[i + 1]!;
    }
    return text;
  };
}
