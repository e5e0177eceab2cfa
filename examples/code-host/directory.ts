// What the product tells Mortise's pages: where a user may install add-ons, and what a grant can be limited to.
import type { Directory } from 'mortise';
import { listRepositories } from './catalogue.ts';
import type { ProductDatabase } from './database.ts';
import { displayName, workspacesOf } from './workspaces.ts';

/** @param db a function, since Mortise opens the database first. */
export function directory(db: () => ProductDatabase): Directory {
  return {
    contexts: ({ id }) =>
      workspacesOf(db(), id)
        .filter(({ role }) => role === 'admin')
        .map(({ workspace }) => ({ id: workspace, name: displayName(db(), workspace) })),
    resources: (context, kind) =>
      kind === 'repository'
        ? listRepositories(db(), context).map(({ full_name }) => ({
            id: full_name,
            name: full_name,
          }))
        : [],
  };
}
