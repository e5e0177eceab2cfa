// Registers a consumer.
import type { ScopeGroup } from '../../host/scope-view.ts';
import { ConsumerFields, type ConsumerInput } from './consumer-fields.tsx';
import { type Frame, Layout } from './layout.tsx';
import { type Problem, Refusal } from './notice.tsx';

export interface NewConsumerInput extends ConsumerInput {
  owner: string;
  isPublic: boolean;
}

/** What a consumer of this user can belong to. */
export type Owners =
  | { kind: 'choice'; choices: { id: string; name: string }[] }
  /** Nobody lists them, and the user may name any. */
  | { kind: 'named' }
  /** The platform is one place. */
  | { kind: 'only' }
  | { kind: 'none' };

export function NewConsumerPage({
  frame,
  csrf,
  input,
  owners,
  groups,
  problem,
}: {
  frame: Frame;
  csrf: string;
  input: NewConsumerInput;
  owners: Owners;
  groups: ScopeGroup[];
  problem?: Problem;
}) {
  return (
    <Layout {...frame} title="Register a consumer">
      <h1>Register a consumer</h1>
      {owners.kind === 'none' ? (
        <NoOwner />
      ) : (
        <form class="card" method="post" action="/account/consumers">
          <Refusal problem={problem} />
          <input type="hidden" name="csrf" value={csrf} />
          <OwnerField owners={owners} owner={input.owner} />
          <fieldset>
            <legend>Kind</legend>
            <label class="choice">
              <input type="radio" name="kind" value="confidential" checked={!input.isPublic} />
              <span>
                Confidential <small>runs on a server of yours and can keep a secret</small>
              </span>
            </label>
            <label class="choice">
              <input type="radio" name="kind" value="public" checked={input.isPublic} />
              <span>
                Public <small>runs on other people’s devices: no secret, PKCE instead</small>
              </span>
            </label>
          </fieldset>
          <ConsumerFields input={input} groups={groups} />
          <div class="row end">
            <a class="button" href="/account/consumers">
              Cancel
            </a>
            <button class="main" type="submit">
              Register
            </button>
          </div>
        </form>
      )}
    </Layout>
  );
}

function OwnerField({ owners, owner }: { owners: Owners; owner: string }) {
  if (owners.kind === 'named') {
    return (
      <label class="field">
        <span>Belongs to</span>
        <input type="text" name="owner" value={owner} required maxLength={512} />
        <small>The place it acts for when nobody is signed in, by the product’s own name.</small>
      </label>
    );
  }
  if (owners.kind !== 'choice') return null;
  return (
    <label class="field">
      <span>Belongs to</span>
      <select name="owner">
        {owners.choices.map(({ id, name }) => (
          <option key={id} value={id} selected={id === owner}>
            {name}
          </option>
        ))}
      </select>
      <small>With its own secret, a confidential consumer acts for this place.</small>
    </label>
  );
}

function NoOwner() {
  return (
    <div class="card empty">
      <p>A consumer acts for a place, and there is none that you may register one for.</p>
      <p class="soft">Ask somebody who administers the place, or an operator.</p>
      <p>
        <a class="button" href="/account/consumers">
          Back to your consumers
        </a>
      </p>
    </div>
  );
}
