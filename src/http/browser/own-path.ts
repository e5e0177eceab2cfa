// Ways back after a sign-in: only to a page of this host, anything else would be an open redirector.

const HOME = '/account/authorizations';

/** Visible ASCII: browsers drop tabs and take "\" for "/". */
export function ownPath(path: string): string {
  return /^\/(?![/\\])[!-~]*$/.test(path) ? path : HOME;
}

export function signInPath(returnTo: string): string {
  return `/signin?return=${encodeURIComponent(ownPath(returnTo))}`;
}
