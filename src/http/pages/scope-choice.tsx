// All scopes of the platform as check boxes, grouped by what they are about.
import type { ScopeGroup } from '../../host/scope-view.ts';
import { capital, Level, ScopeSentence } from './scope-list.tsx';

export function ScopeChoice({
  groups,
  chosen,
}: {
  groups: ScopeGroup[];
  chosen: readonly string[];
}) {
  return (
    <>
      {groups.map(({ resource, scopes }) => (
        <fieldset key={resource}>
          <legend>{capital(resource)}</legend>
          <ul class="plain tight">
            {scopes.map((scope) => (
              <li key={scope.name}>
                <label class="choice">
                  <input
                    type="checkbox"
                    name={`scope.${scope.name}`}
                    value="on"
                    checked={chosen.includes(scope.name)}
                  />
                  <span class="row grow">
                    <ScopeSentence scope={scope} />
                    <Level of={scope} />
                  </span>
                </label>
              </li>
            ))}
          </ul>
        </fieldset>
      ))}
    </>
  );
}
