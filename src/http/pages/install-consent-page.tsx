// What an add-on asks for, and everything that follows from saying yes.
import type { Fault } from '../../core/errors.ts';
import type { ScopeGroup } from '../../host/scope-view.ts';
import { InstallHidden, type Proposed } from './install-hidden.tsx';
import { type Frame, Layout } from './layout.tsx';
import { Name, plain } from './name.tsx';
import { type Problem, Refusal } from './notice.tsx';
import { type Resource, ResourceChoice } from './resource-choice.tsx';
import { ScopeList } from './scope-list.tsx';
import { SourceFaults } from './source-faults.tsx';

export interface InstallConsentView {
  frame: Frame;
  csrf: string;
  proposed: Proposed;
  addon: { key: string; name: string; description: string; origin: string };
  /** The descriptor comes from here, where that is another origin than the add-on's own. */
  foreignOrigin?: string;
  groups: ScopeGroup[];
  told: { events: { type: string; title: string }[]; isEverything: boolean };
  resources: Resource[];
  /** What was chosen before, or just now; null = all. */
  chosen: string[] | null;
  /** Granted so far and not asked for any more: scopes that end. Undefined for a first install. */
  ending?: string[];
  /** Another origin has this key: approving must say that it is meant. */
  moved?: Problem;
  warnings: Fault[];
  text: string;
  problem?: Problem;
}

export function InstallConsentPage(view: InstallConsentView) {
  const { frame, csrf, proposed, addon, groups, told, resources, chosen, ending, moved } = view;
  const { context } = proposed;
  const isAgain = ending !== undefined;
  return (
    <Layout {...frame} title={`Install ${addon.name}`}>
      <Refusal problem={view.problem} />
      <form class="card" method="post" action="/operator/installations">
        <h1>
          <Name of={addon.name} /> asks to be {isAgain ? 'installed again' : 'installed'}
          {context && (
            <>
              {' '}
              in <Name of={context} />
            </>
          )}
        </h1>
        <dl>
          <dt>It lives at</dt>
          <dd>
            <code>{addon.origin}</code>
          </dd>
          <dt>Key</dt>
          <dd>
            <code>{addon.key}</code>
          </dd>
        </dl>
        {addon.description && <p class="soft">{plain(addon.description)}</p>}
        {view.foreignOrigin && (
          <p class="note bad">
            Its descriptor is published somewhere else, at <code>{view.foreignOrigin}</code>.
          </p>
        )}
        <InstallHidden csrf={csrf} proposed={proposed} />
        <h2>It may</h2>
        <ScopeList groups={groups} heading="h3" />
        {ending && ending.length > 0 && (
          <p class="note">No longer asked for, and taken back: {ending.join(', ')}.</p>
        )}
        <Told told={told} />
        {resources.length > 0 && (
          <ResourceChoice
            everything={`Everything in ${context ? plain(context) : 'the platform'}, now and later`}
            resources={resources}
            chosen={chosen}
          />
        )}
        {moved && <Moved problem={moved} />}
        <div class="row end">
          <a class="button" href="/operator/installations">
            Cancel
          </a>
          <button class="main" type="submit">
            Approve and install
          </button>
        </div>
      </form>
      {view.warnings.length > 0 && (
        <section class="card">
          <h2>Its descriptor works, but</h2>
          <SourceFaults faults={view.warnings} text={view.text} />
        </section>
      )}
    </Layout>
  );
}

function Told({ told: { events, isEverything } }: Pick<InstallConsentView, 'told'>) {
  return (
    <section>
      <h2>It will be told of</h2>
      {events.length === 0 && <p class="soft">Nothing: it is sent no events.</p>}
      {isEverything && events.length > 0 && (
        <p class="soft">Everything that these permissions cover. At present:</p>
      )}
      <ul class="events">
        {events.map(({ type, title }) => (
          <li key={type}>
            {title} <small>({type})</small>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Moved({ problem }: { problem: Problem }) {
  return (
    <div class="note bad">
      <p>{problem.message}</p>
      <label class="choice">
        <input type="checkbox" name="acceptNewOrigin" value="on" required />
        <span>The add-on has moved, and I know it. If it is another one, do not install it.</span>
      </label>
    </div>
  );
}
