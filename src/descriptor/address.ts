// Addresses in a descriptor: joined to baseUrl with exactly one slash, never by URL resolution, since
// half of the descriptors in the wild write "hook" and mean "/hook" below a baseUrl with a path.

type AddressFault = 'url_not_on_base' | 'url_credentials' | 'url_invalid';

/** Whether a text can be a baseUrl at all. */
export function isWebAddress(text: string): boolean {
  return /^https?:\/\/[^/\s]\S*$/i.test(text) && URL.canParse(text);
}

/**
 * @returns the absolute address, or why it cannot be used. Variables in braces stay as they are.
 */
export function joinAddress(
  baseUrl: string,
  address: string,
): { url: string } | { fault: AddressFault } {
  const isAbsolute = /^[a-z][a-z0-9+.-]*:/i.test(address);
  const url = isAbsolute ? address : `${withoutSlashes(baseUrl)}/${address.replace(/^\/+/, '')}`;
  if (!URL.canParse(url)) return { fault: 'url_invalid' };
  const parsed = new URL(url);
  if (parsed.username || parsed.password) return { fault: 'url_credentials' };
  if (parsed.origin === 'null' || parsed.origin !== new URL(baseUrl).origin)
    return { fault: 'url_not_on_base' };
  return { url };
}

/** By a loop: a pattern for slashes at the end looks at every run of slashes in between, again and again. */
function withoutSlashes(baseUrl: string): string {
  let end = baseUrl.length;
  while (baseUrl[end - 1] === '/') end--;
  return baseUrl.slice(0, end);
}
