// Tells add-ons what happened in a repository, in the transaction in which it happens.
import type { CodeHostParts } from './parts.ts';

export interface Happening {
  type: string;
  repository: string;
  /** See actors.ts. */
  actor: string;
  payload?: Record<string, unknown>;
}

export function announce(
  { db, host, payloads }: Pick<CodeHostParts, 'db' | 'host' | 'payloads'>,
  { type, repository, actor, payload }: Happening,
): string {
  const who = payloads.actor(actor);
  const { id } = host.publish(
    {
      type,
      context: repository.split('/')[0],
      resource: repository,
      actor: who.nickname,
      payload: { actor: who, repository: payloads.repository(repository), ...payload },
    },
    { transaction: db },
  );
  return id;
}
