// The consumers a user has registered.
import { ConsumerIdentity, ConsumerKind } from './consumer-identity.tsx';
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';
import { Said } from './notice.tsx';

export interface ConsumerItem {
  id: string;
  name: string;
  isPublic: boolean;
  /** null: registered before scopes existed. */
  scopes: string[] | null;
  owner: string;
  since: string;
}

export function ConsumersPage({
  frame,
  items,
  next,
  said,
}: {
  frame: Frame;
  items: ConsumerItem[];
  /** The address of the page after this one. */
  next?: string;
  said?: string;
}) {
  return (
    <Layout {...frame} title="Consumers" isWide>
      <div class="row">
        <h1 class="grow">OAuth consumers</h1>
        {items.length > 0 && (
          <a class="button main" href="/account/consumers/new">
            Register a consumer
          </a>
        )}
      </div>
      <p class="soft">Applications of yours that ask others for access to their accounts.</p>
      <Said text={said} />
      {items.length === 0 && <None />}
      {items.map((item) => (
        <Item key={item.id} item={item} />
      ))}
      {next && (
        <p>
          <a href={next}>Older ones</a>
        </p>
      )}
    </Layout>
  );
}

function None() {
  return (
    <div class="card empty">
      <p>You have registered no consumer yet.</p>
      <p class="soft">
        A consumer is an application’s identity here: it gets a client id and a secret, and with
        them asks people for access.
      </p>
      <p>
        <a class="button main" href="/account/consumers/new">
          Register a consumer
        </a>
      </p>
    </div>
  );
}

function Item({ item }: { item: ConsumerItem }) {
  const { id, name, isPublic, scopes, owner, since } = item;
  return (
    <section class="card">
      <div class="row">
        <h2 class="grow">
          <a href={`/account/consumers/${encodeURIComponent(id)}`}>
            <Name of={name} />
          </a>
        </h2>
        <ConsumerKind isPublic={isPublic} isGrandfathered={scopes === null} />
      </div>
      <dl>
        <ConsumerIdentity id={id} owner={owner} />
        <dt>May ask for</dt>
        <dd>{scopes === null ? 'everything' : scopes.join(', ') || 'nothing'}</dd>
        <dt>Registered</dt>
        <dd>{since}</dd>
      </dl>
    </section>
  );
}
