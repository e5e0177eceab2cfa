// Switch an installation off and on, renew its secrets, or uninstall it.
import { plain } from './name.tsx';

export function InstallationActions({
  item: { id, name, state, context },
  csrf,
  isAlone,
}: {
  item: { id: string; name: string; state: string; context: string };
  csrf: string;
  /** On a page of its own, where there is room for what is seldom done. */
  isAlone?: boolean;
}) {
  const here = `/operator/installations/${id}`;
  const what = plain(context ? `${name} in ${context}` : name);
  if (state === 'uninstalled') return null;
  return (
    <form class="row end" method="post" action={`${here}/state`}>
      <input type="hidden" name="csrf" value={csrf} />
      {isAlone && state === 'enabled' && (
        <button
          type="submit"
          formaction={`${here}/rotate-secret`}
          aria-label={`Rotate secrets of ${what}`}
        >
          Rotate secrets
        </button>
      )}
      {state === 'enabled' && (
        <button type="submit" name="state" value="disabled" aria-label={`Disable ${what}`}>
          Disable
        </button>
      )}
      {state === 'disabled' && (
        <button type="submit" name="state" value="enabled" aria-label={`Enable ${what}`}>
          Enable
        </button>
      )}
      <a class="button danger" href={`${here}/uninstall`} aria-label={`Uninstall ${what}`}>
        Uninstall…
      </a>
    </form>
  );
}
