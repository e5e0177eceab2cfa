// The platform's route table: which scope each route of the product's API needs. What matches none needs what nobody has.
import type { PlatformDefinition } from './definition.ts';

export interface ApiRoute {
  method: string;
  path: string;
  scope: string;
  resource?: string;
}

export interface RouteMatch {
  route: ApiRoute;
  parameters: Record<string, string>;
}

interface CompiledRoute {
  route: ApiRoute;
  names: string[];
  pattern: RegExp;
  /** How many segments are plain text: the more, the more exactly it is meant. */
  plainSegments: number;
}

/**
 * A path parameter is one segment; `{path}` as the last one takes the rest.
 * @returns a matcher that takes the most exact route, and undefined for what is in no route or not one spelling only.
 */
export function compileApiRoutes(
  definition: PlatformDefinition,
): (method: string, path: string) => RouteMatch | undefined {
  const routes = (definition.api ?? [])
    .map(compile)
    .sort((a, b) => b.plainSegments - a.plainSegments || b.names.length - a.names.length);
  return (method, path) => {
    // The proxy, the product and we must read the same path: what could be read in two ways is in no route.
    if (/%2f|%5c|\\|\/\/|(^|\/)\.{1,2}(\/|$)|%2e/i.test(path)) return undefined;
    for (const { route, names, pattern } of routes) {
      if (
        route.method !== '*' &&
        route.method !== method &&
        !(route.method === 'GET' && method === 'HEAD')
      )
        continue;
      const found = pattern.exec(path);
      if (found)
        return {
          route,
          parameters: Object.fromEntries(names.map((name, i) => [name, decode(found[i + 1]!)])),
        };
    }
    return undefined;
  };
}

function compile(route: ApiRoute): CompiledRoute {
  const segments = route.path.split('/').slice(1);
  const names: string[] = [];
  let plainSegments = 0;
  const pattern = segments.map((segment, i) => {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    if (name === undefined) {
      plainSegments++;
      return segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    }
    names.push(name);
    return name === 'path' && i === segments.length - 1 ? '(.+)' : '([^/]+)';
  });
  return { route, names, plainSegments, pattern: new RegExp(`^/${pattern.join('/')}/?$`) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
