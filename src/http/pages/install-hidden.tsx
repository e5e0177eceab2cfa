// What an approval is bound to: the address, the place, and the very descriptor that was shown.
export interface Proposed {
  descriptorUrl: string;
  context: string;
  /** Of the descriptor shown. */
  digest: string;
}

export function InstallHidden({ csrf, proposed }: { csrf: string; proposed: Proposed }) {
  return (
    <>
      <input type="hidden" name="csrf" value={csrf} />
      <input type="hidden" name="descriptorUrl" value={proposed.descriptorUrl} />
      <input type="hidden" name="context" value={proposed.context} />
      <input type="hidden" name="digest" value={proposed.digest} />
    </>
  );
}
