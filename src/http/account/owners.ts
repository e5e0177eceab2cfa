// What a user may register consumers for. With its own secret a consumer acts for its owner: naming a place must not be
// enough to act for it.
import { MortiseError } from '../../core/errors.ts';
import type { User } from '../../host/options.ts';
import type { HostParts } from '../../host/parts.ts';
import type { BrowserSession } from '../browser/session.ts';
import type { Owners } from '../pages/new-consumer-page.tsx';

/** Without a directory nobody can say who administers what: then it is the operators' to do. */
export async function ownersOf(
  user: User,
  { isOperator }: Pick<BrowserSession, 'isOperator'>,
  parts: HostParts,
): Promise<Owners> {
  const { directory, platform } = parts.settings;
  const isOnePlace = platform.contextKinds.size === 0;
  if (!directory) return { kind: isOperator ? (isOnePlace ? 'only' : 'named') : 'none' };
  const choices = await directory.contexts(user);
  if (choices.length === 0) return { kind: 'none' };
  return isOnePlace ? { kind: 'only' } : { kind: 'choice', choices };
}

/** @throws owner_not_yours */
export function requireOwner(owner: string, owners: Owners): void {
  const isTheirs =
    owners.kind === 'choice'
      ? owners.choices.some(({ id }) => id === owner)
      : owners.kind !== 'none';
  if (isTheirs) return;
  throw new MortiseError({
    code: 'owner_not_yours',
    status: 403,
    message: owner
      ? `You do not administer "${owner}", so nothing that acts for it is yours to set up.`
      : 'There is no place that you may register a consumer for.',
    hint: 'Ask somebody who does.',
  });
}
