// What names a consumer wherever it is shown: its kind, its client id, whose it is.
import { Name } from './name.tsx';

export function ConsumerKind({
  isPublic,
  isGrandfathered,
}: {
  isPublic: boolean;
  isGrandfathered: boolean;
}) {
  return (
    <>
      <span class="tag">{isPublic ? 'public' : 'confidential'}</span>
      {isGrandfathered && <span class="tag admin">grandfathered</span>}
    </>
  );
}

/** Entries of a description list. */
export function ConsumerIdentity({ id, owner }: { id: string; owner: string }) {
  return (
    <>
      <dt>Client id</dt>
      <dd>
        <code>{id}</code>
      </dd>
      {owner && <dt>Belongs to</dt>}
      {owner && (
        <dd>
          <Name of={owner} />
        </dd>
      )}
    </>
  );
}
