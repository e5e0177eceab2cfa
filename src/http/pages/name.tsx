// Names and texts that strangers chose: they must not reorder, hide or imitate what stands around them.

/** Control and format characters (bidi overrides, invisible ones) become visible; joiners stay, scripts need them. */
export function plain(text: string): string {
  return text.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

export function Name({ of }: { of: string }) {
  return <bdi>{plain(of)}</bdi>;
}
