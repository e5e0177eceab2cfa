// The event that is delivered: a push whose webhook body has about 1.5 KB and names no field that the platform
// definition does not.
import { readFileSync } from 'node:fs';

export const EVENT_TYPE = 'repo:push';

interface Push {
  actor: { display_name: string };
  [field: string]: unknown;
}

const { events } = JSON.parse(readFileSync('platforms/bitbucket.json', 'utf8'));
const { actor, repository, push } = events[EVENT_TYPE].example;
const [change] = push.changes;
const { email: _, location: __, created_on: ___, ...publicActor } = actor;

/** @param sentAt told to the receiver in a field that it can find (receiver.cc). */
export function pushPayload(sentAt?: number): Push {
  return {
    actor: {
      ...publicActor,
      display_name: sentAt === undefined ? 'Alice Meyer' : `${MARK}${sentAt};`,
    },
    repository: {
      type: repository.type,
      uuid: repository.uuid,
      name: repository.name,
      full_name: repository.full_name,
    },
    push: { changes: [{ new: change.new, created: false, closed: false, forced: false }] },
  };
}

/** As receiver.cc looks for it. */
const MARK = 'sent at ';
