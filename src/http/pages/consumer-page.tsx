// One consumer: change it, give it a new secret, delete it.
import type { ScopeGroup } from '../../host/scope-view.ts';
import { ConsumerFields, type ConsumerInput } from './consumer-fields.tsx';
import { ConsumerIdentity, ConsumerKind } from './consumer-identity.tsx';
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';
import { type Problem, Refusal, Said } from './notice.tsx';

export interface ConsumerView {
  frame: Frame;
  csrf: string;
  id: string;
  name: string;
  isPublic: boolean;
  isGrandfathered: boolean;
  /** Also an OAuth 1.0a consumer: it can be upgraded. */
  isOauth1: boolean;
  owner: string;
  input: ConsumerInput;
  groups: ScopeGroup[];
  problem?: Problem;
  said?: string;
}

export function ConsumerPage(view: ConsumerView) {
  const { frame, csrf, id, name, isPublic, isGrandfathered, isOauth1, owner, input, groups } = view;
  const here = `/account/consumers/${encodeURIComponent(id)}`;
  return (
    <Layout {...frame} title={name}>
      <div class="row">
        <h1 class="grow">
          <Name of={name} />
        </h1>
        <ConsumerKind isPublic={isPublic} isGrandfathered={isGrandfathered} />
      </div>
      <Said text={view.said} />
      <Refusal problem={view.problem} />
      <div class="card">
        <dl>
          <ConsumerIdentity id={id} owner={owner} />
        </dl>
      </div>
      <form class="card" method="post" action={here}>
        <input type="hidden" name="csrf" value={csrf} />
        <ConsumerFields input={input} groups={groups} isGrandfathered={isGrandfathered} />
        <div class="row end">
          <a class="button" href="/account/consumers">
            Cancel
          </a>
          {isOauth1 && (
            <button type="submit" formaction={`${here}/upgrade`}>
              Upgrade to OAuth 2 with these permissions
            </button>
          )}
          <button class="main" type="submit">
            Save
          </button>
        </div>
        {isOauth1 && (
          <p class="soft">
            An upgrade closes OAuth 1.0a for it, ends its OAuth 1.0a tokens, and shows what it has
            actually used.
          </p>
        )}
      </form>
      {!isPublic && (
        <form class="card row" method="post" action={`${here}/secret`}>
          <input type="hidden" name="csrf" value={csrf} />
          <p class="grow">
            <strong>A new secret.</strong> The one in use stays good for 24 hours more; one that was
            replaced before ends now.
          </p>
          <button type="submit">Replace the secret</button>
        </form>
      )}
      <div class="card row">
        <p class="grow">
          <strong>Delete it.</strong> Everybody’s grants to it end with it.
        </p>
        <a class="button danger" href={`${here}/delete`}>
          Delete…
        </a>
      </div>
    </Layout>
  );
}
