// Everything, or only what is ticked. The list shows when "only these" is chosen, so that a tick never looks as if it
// counted while "everything" is chosen.
import { Name } from './name.tsx';

export interface Resource {
  id: string;
  name: string;
}

export function ResourceChoice({
  everything,
  resources,
  chosen = null,
}: {
  /** What "all" means here. */
  everything: string;
  resources: Resource[];
  /** What was chosen before; null = all. */
  chosen?: readonly string[] | null;
}) {
  return (
    <fieldset class="where">
      <legend>Where</legend>
      <label class="choice">
        <input type="radio" name="where" value="all" checked={chosen === null} />
        <span>{everything}</span>
      </label>
      <label class="choice">
        <input type="radio" name="where" value="chosen" checked={chosen !== null} />
        <span>Only these:</span>
      </label>
      <ul class="plain tight chosen">
        {resources.map(({ id, name }) => (
          <li key={id}>
            <label class="choice">
              <input
                type="checkbox"
                name={`resource.${id}`}
                value="on"
                checked={chosen?.includes(id)}
              />
              <Name of={name} />
            </label>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}
