// What is installed, where, and whether it is on.
import { InstallationActions } from './installation-actions.tsx';
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';
import { Said } from './notice.tsx';

export interface InstallationItem {
  id: string;
  name: string;
  addonKey: string;
  context: string;
  state: string;
  origin: string | null;
  scopes: string[];
  /** null = all. */
  resources: string[] | null;
  installed: string | null;
}

export function InstallationsPage({
  frame,
  csrf,
  items,
  next,
  said,
}: {
  frame: Frame;
  csrf: string;
  items: InstallationItem[];
  next?: string;
  said?: string;
}) {
  return (
    <Layout {...frame} title="Installations" isWide>
      <div class="row">
        <h1 class="grow">Installations</h1>
        {items.length > 0 && (
          <a class="button main" href="/operator/installations/new">
            Install an add-on
          </a>
        )}
      </div>
      <Said text={said} />
      {items.length === 0 && <None name={frame.name} />}
      {items.map((item) => (
        <section class="card" key={item.id}>
          <div class="row">
            <h2 class="grow">
              <a href={`/operator/installations/${item.id}`}>
                <Name of={item.name} />
              </a>
            </h2>
            <State of={item.state} />
          </div>
          <InstallationFacts item={item} />
          <InstallationActions item={item} csrf={csrf} />
        </section>
      ))}
      {next && (
        <p>
          <a href={next}>Older ones</a>
        </p>
      )}
    </Layout>
  );
}

function None({ name }: { name: string }) {
  return (
    <div class="card empty">
      <p>No add-on is installed.</p>
      <p class="soft">
        An add-on publishes a descriptor: a JSON document that says who it is, what it asks for and
        where it listens. Give its address, look at what it asks for, and approve it; {name} then
        makes itself known to it.
      </p>
      <p>
        <a class="button main" href="/operator/installations/new">
          Install an add-on
        </a>
      </p>
    </div>
  );
}

export function State({ of }: { of: string }) {
  const tone = of === 'enabled' ? 'good' : of === 'pending' ? 'new' : 'write';
  return <span class={`tag ${tone}`}>{of}</span>;
}

export function InstallationFacts({ item }: { item: InstallationItem }) {
  return (
    <dl>
      <dt>Add-on</dt>
      <dd>
        <code>{item.addonKey}</code>
        {item.origin && (
          <>
            {' '}
            at <code>{item.origin}</code>
          </>
        )}
      </dd>
      {item.context && <dt>Context</dt>}
      {item.context && (
        <dd>
          <Name of={item.context} />
        </dd>
      )}
      <dt>Scopes</dt>
      <dd>{item.scopes.join(', ') || 'none'}</dd>
      <dt>Resources</dt>
      <dd>{item.resources === null ? 'all' : item.resources.join(', ') || 'none'}</dd>
      <dt>Installed</dt>
      <dd>{item.installed ?? 'not yet: the add-on has not accepted'}</dd>
    </dl>
  );
}
