// /2.0/repositories: list, read, create, change, delete.
import type { GuardState } from 'mortise';
import { actorOf } from '../actors.ts';
import { announce } from '../announce.ts';
import {
  addRepository,
  changeRepository,
  findRepository,
  listRepositories,
  removeRepository,
  SAMPLES,
} from '../catalogue.ts';
import type { CodeHostParts } from '../parts.ts';
import { maySee, userOf } from '../rights.ts';
import { type Api, fullName, REPOSITORY } from './api.ts';
import { bitbucketError } from './errors.ts';
import { readFields, text, yesOrNo } from './fields.ts';

const SETTINGS = { description: text, is_private: yesOrNo };

export function repositoryRoutes(api: Api, parts: CodeHostParts): void {
  const { db, repositories, payloads } = parts;

  api.get(
    '/2.0/repositories/{workspace}',
    'repository',
    (ctx) => {
      const { resources } = ctx.state.mortise as GuardState;
      const seen = listRepositories(db, ctx.params.workspace).filter(
        (row) =>
          maySee(db, userOf(ctx), row) && (resources === null || resources.includes(row.full_name)),
      );
      ctx.body = {
        pagelen: seen.length,
        values: seen.map(({ full_name }) => payloads.repository(full_name)),
      };
    },
    { isFiltered: true },
  );

  api.get(REPOSITORY, 'repository', (ctx) => {
    ctx.body = payloads.repository(fullName(ctx));
  });

  api.post(
    REPOSITORY,
    'repository:admin',
    async (ctx) => {
      const name = fullName(ctx);
      const given = await readFields(ctx, {}, SETTINGS);
      if (!given) return;
      if (!/^[\w-][\w.-]{0,61}$/.test(ctx.params.repository!) || name.endsWith('.git'))
        return bitbucketError(ctx, 400, 'A name has letters, digits, ".", "_" and "-".');
      const { description = '', is_private = true } = given;
      const isCreated = db
        .transaction(() => {
          if (findRepository(db, name)) return false;
          addRepository(db, name, {
            description,
            is_private: Number(is_private),
            has_issues: 1,
            has_wiki: 1,
          });
          announce(parts, { type: 'repo:created', repository: name, actor: actorOf(ctx) });
          return true;
        })
        .immediate();
      if (!isCreated)
        return bitbucketError(ctx, 400, 'Repository with this Slug and Owner already exists.');
      // The record first: the next start makes what it lacks on disk. What is left of an older one goes.
      await repositories.remove(name);
      await repositories.create(name);
      ctx.status = 201;
      ctx.body = payloads.repository(name);
    },
    { isNew: true },
  );

  api.put(REPOSITORY, 'repository:admin', async (ctx) => {
    const name = fullName(ctx);
    const change = await readFields(ctx, {}, SETTINGS);
    if (!change) return;
    db.transaction(() => {
      const old = findRepository(db, name)!;
      const { description = old.description, is_private = old.is_private === 1 } = change;
      changeRepository(db, name, { description, is_private: Number(is_private) });
      const changes = {
        ...(description !== old.description && {
          description: { old: old.description, new: description },
        }),
      };
      announce(parts, {
        type: 'repo:updated',
        repository: name,
        actor: actorOf(ctx),
        payload: { changes },
      });
    }).immediate();
    ctx.body = payloads.repository(name);
  });

  api.delete(REPOSITORY, 'repository:admin', async (ctx) => {
    const name = fullName(ctx);
    if (SAMPLES.some((sample) => sample.fullName === name))
      return bitbucketError(ctx, 400, `${name} belongs to the sample and stays.`);
    db.transaction(() => {
      announce(parts, { type: 'repo:deleted', repository: name, actor: actorOf(ctx) });
      removeRepository(db, name);
    }).immediate();
    await repositories.remove(name);
    ctx.status = 204;
  });
}
