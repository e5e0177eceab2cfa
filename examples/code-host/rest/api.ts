// One line per route: its scope is guarded by Mortise, the caller's own rights by the product, then the handler runs.
import type Router from '@koa/router';
import type { RouterContext } from '@koa/router';
import type { Context } from 'koa';
import type { Host } from 'mortise';
import type { ProductDatabase } from '../database.ts';
import type { CodeHostParts } from '../parts.ts';
import { type Right, requireRight } from '../rights.ts';
import { answerFault } from './errors.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface Route {
  method: Method;
  /** With parameters in braces. */
  path: string;
  scope: string;
  resource?: string;
}

export type Handler = (ctx: RouterContext) => unknown;

export interface RouteOptions {
  /** What a person must be allowed, if it is not the scope's own level. */
  right?: Right;
  /** It answers with as much as the token covers, instead of refusing one that is limited to resources. */
  isFiltered?: boolean;
  /** The repository it names is not there yet. */
  isNew?: boolean;
}

export const REPOSITORY = '/2.0/repositories/{workspace}/{repository}';

export class Api {
  readonly routes: Route[] = [];
  readonly #router: Router;
  readonly #host: Host;
  readonly #db: ProductDatabase;

  constructor(router: Router, { host, db }: CodeHostParts) {
    this.#router = router;
    this.#host = host;
    this.#db = db;
  }

  get(path: string, scope: string, handler: Handler, options?: RouteOptions): void {
    this.#add({ method: 'GET', path, scope }, handler, options);
  }

  post(path: string, scope: string, handler: Handler, options?: RouteOptions): void {
    this.#add({ method: 'POST', path, scope }, handler, options);
  }

  put(path: string, scope: string, handler: Handler, options?: RouteOptions): void {
    this.#add({ method: 'PUT', path, scope }, handler, options);
  }

  delete(path: string, scope: string, handler: Handler, options?: RouteOptions): void {
    this.#add({ method: 'DELETE', path, scope }, handler, options);
  }

  #add(route: Omit<Route, 'resource'>, handler: Handler, options: RouteOptions = {}): void {
    const { method, path, scope } = route;
    const resource = options.isFiltered ? undefined : resourceOf(path);
    const level = this.#host.platform.scopes.all.get(scope)?.level;
    const right = options.right ?? level ?? 'admin';
    this.#routes(method)(
      path.replace('{path}', '*path').replace(/\{(\w+)\}/g, ':$1'),
      answerFault,
      this.#host.guard(scope, { resource: options.isFiltered ? null : resource }),
      requireRight(this.#db, right, { isNew: options.isNew }),
      async (ctx: RouterContext) => void (await handler(ctx)),
    );
    this.routes.push({ ...route, ...(resource !== undefined && { resource }) });
  }

  #routes(method: Method) {
    const name = method.toLowerCase() as Lowercase<Method>;
    return this.#router[name].bind(this.#router);
  }
}

/** What belongs to no repository belongs to the workspace: a grant limited to repositories does not cover it. */
function resourceOf(path: string): string | undefined {
  if (path.includes('{repository}')) return '{workspace}/{repository}';
  return path.includes('{workspace}') ? '{workspace}' : undefined;
}

export function fullName(ctx: Context): string {
  return `${ctx.params.workspace}/${ctx.params.repository}`;
}
