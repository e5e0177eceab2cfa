// What is asked for, as the platform says it: grouped by what it is about, with its level, optional ones to untick.
import type { ScopeGroup, ScopeView } from '../../host/scope-view.ts';

export function ScopeList({
  groups,
  canUntick,
  heading: Heading = 'h2',
}: {
  groups: ScopeGroup[];
  canUntick?: boolean;
  heading?: 'h2' | 'h3';
}) {
  if (groups.length === 0) return <p class="soft">Nothing: it may only know that you are you.</p>;
  // Where nothing was granted before, everything is new, and saying so at each tells nothing.
  const isAgain = groups.some(({ scopes }) => scopes.some(({ wasGranted }) => wasGranted));
  return (
    <>
      {groups.map(({ resource, scopes }) => (
        <section key={resource}>
          <Heading>{capital(resource)}</Heading>
          <ul class="plain">
            {scopes.map((scope) => (
              <li key={scope.name}>
                {canUntick && scope.isOptional ? (
                  <label class="choice">
                    <input type="checkbox" name={`scope.${scope.name}`} value="on" checked />
                    <ScopeLine scope={scope} isAgain={isAgain} />
                  </label>
                ) : (
                  <ScopeLine scope={scope} isAgain={isAgain} />
                )}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

function ScopeLine({ scope, isAgain }: { scope: ScopeView; isAgain: boolean }) {
  return (
    <span class="row grow">
      <ScopeSentence scope={scope} />
      <Level of={scope} />
      {scope.isOptional && <span class="tag">optional</span>}
      {isAgain && !scope.wasGranted && <span class="tag new">new</span>}
      {scope.wasGranted && <span class="tag">granted before</span>}
    </span>
  );
}

export function ScopeSentence({ scope }: { scope: ScopeView }) {
  return (
    <span class="grow">
      {scope.sentence} <small>({scope.name})</small>
    </span>
  );
}

export function Level({ of: { level } }: { of: ScopeView }) {
  return level ? <span class={`tag ${level}`}>{level}</span> : null;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
