// Access management: every grant of this user, what it may do, when and from where it was last used; take back one,
// one scope of one, or all.
import type { ScopeGroup } from '../../host/scope-view.ts';
import { type Frame, Layout } from './layout.tsx';
import { Name, plain } from './name.tsx';
import { Said } from './notice.tsx';
import { capital, Level, ScopeSentence } from './scope-list.tsx';

export interface AuthorizationItem {
  id: string;
  name: string;
  isGrandfathered: boolean;
  /** An add-on that acts as the user: all or nothing. */
  isAddon: boolean;
  groups: ScopeGroup[];
  /** null = everything. */
  resources: string[] | null;
  since: string;
  lastUsed: string | null;
}

export interface AuthorizationsView {
  frame: Frame;
  csrf: string;
  items: AuthorizationItem[];
  said?: string;
}

export function AuthorizationsPage({ frame, csrf, items, said }: AuthorizationsView) {
  return (
    <Layout {...frame} title="Access management" isWide>
      <h1>Access management: OAuth</h1>
      <p class="soft">
        Applications that you let use your account. What you take back here is over at once.
      </p>
      <Said text={said} />
      {items.length === 0 && (
        <div class="card empty">
          <p>No application has access to your account.</p>
          <p class="soft">When you let one in, it is listed here, with what it may do.</p>
        </div>
      )}
      {items.map((item) => (
        <Authorization key={item.id} item={item} csrf={csrf} />
      ))}
      {items.length > 1 && (
        <form method="post" action="/account/authorizations" class="row end">
          <input type="hidden" name="csrf" value={csrf} />
          <button class="danger" type="submit" name="revoke" value="all">
            Revoke all
          </button>
        </form>
      )}
    </Layout>
  );
}

function Authorization({ item, csrf }: { item: AuthorizationItem; csrf: string }) {
  return (
    <form class="card" method="post" action="/account/authorizations">
      <input type="hidden" name="csrf" value={csrf} />
      <input type="hidden" name="grant" value={item.id} />
      <div class="row">
        <h2 class="grow">
          <Name of={item.name} />
        </h2>
        <button
          class="danger"
          type="submit"
          name="revoke"
          value="grant"
          aria-label={`Revoke ${plain(item.name)}`}
        >
          Revoke
        </button>
      </div>
      {item.isGrandfathered && (
        <p class="note bad">Registered before scopes existed: it may do everything you may do.</p>
      )}
      <dl>
        <dt>Granted</dt>
        <dd>{item.since}</dd>
        <dt>Last used</dt>
        <dd>{item.lastUsed ?? 'never'}</dd>
        <dt>Where</dt>
        <dd>
          {item.resources === null
            ? 'everything you can see'
            : item.resources.join(', ') || 'nothing'}
        </dd>
      </dl>
      {item.groups.map(({ resource, scopes }) => (
        <ul class="plain" key={resource} aria-label={capital(resource)}>
          {scopes.map((scope) => (
            <li class="row" key={scope.name}>
              <ScopeSentence scope={scope} />
              <Level of={scope} />
              {!item.isAddon && (
                <button
                  class="small"
                  type="submit"
                  name="revoke"
                  value={`scope.${scope.name}`}
                  aria-label={`Revoke ${scope.name} of ${plain(item.name)}`}
                >
                  Revoke
                </button>
              )}
            </li>
          ))}
        </ul>
      ))}
    </form>
  );
}
