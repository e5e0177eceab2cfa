// Addresses as they may be shown and logged: without what somebody signs in with.

/** @param text of a URL, or of what was meant as one. */
export function shownUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url?.host) return text.replace(/^([^:/@]*:\/*|\/\/).*@/s, '$1…@');
  if (!url.username && !url.password) return text;
  url.username = '';
  url.password = '';
  return url.href;
}
