// Who asks, for what, on what; allow or deny.
import type { ScopeGroup } from '../../host/scope-view.ts';
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';
import { type Resource, ResourceChoice } from './resource-choice.tsx';
import { ScopeList } from './scope-list.tsx';

export interface ConsentView {
  frame: Frame;
  csrf: string;
  /** The door the answer is posted to. */
  action: string;
  consentId: string;
  consumerName: string;
  /** The origin the answer goes to: exactly registered. undefined: it is shown to the user. */
  answerOrigin: string | undefined;
  /** Registered before scopes existed: everything there is, now and later. */
  hasAllAccess: boolean;
  groups: ScopeGroup[];
  /** What the grant can be limited to; empty if the product names nothing. */
  resources: Resource[];
}

export function ConsentPage({
  frame,
  csrf,
  action,
  consentId,
  consumerName,
  answerOrigin,
  hasAllAccess,
  groups,
  resources,
}: ConsentView) {
  return (
    <Layout {...frame} title={`Grant access to ${consumerName}`}>
      <form class="card" method="post" action={action}>
        <h1>
          <Name of={consumerName} /> asks for access to your account
        </h1>
        <p class="soft">
          You are signed in as <Name of={frame.user?.name ?? frame.user?.id ?? ''} />.{' '}
          {answerOrigin === undefined ? (
            'You will be shown a code to type in there.'
          ) : (
            <>
              The answer goes to <code>{answerOrigin}</code>.
            </>
          )}
        </p>
        {hasAllAccess && (
          <p class="note bad">
            Registered before scopes existed: it may do everything you may do, now and later.
          </p>
        )}
        <input type="hidden" name="csrf" value={csrf} />
        <input type="hidden" name="consent" value={consentId} />
        <ScopeList groups={groups} canUntick />
        {resources.length > 0 && (
          <ResourceChoice
            everything="Everything you can see, now and later"
            resources={resources}
          />
        )}
        <p class="soft">You can take this back at any time, under Access management.</p>
        <div class="row end">
          <button type="submit" name="answer" value="deny">
            Deny
          </button>
          <button class="main" type="submit" name="answer" value="allow">
            Allow
          </button>
        </div>
      </form>
    </Layout>
  );
}
