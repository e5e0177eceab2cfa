// Connect's query string hash, the receiver's side: METHOD&path&query, SHA-256 in hex.
import { createHash } from 'node:crypto';

/** @param baseUrl of the add-on: its path is not part of the hash. */
export function requestHash(method: string, url: string, baseUrl: string): string {
  const parsed = new URL(url, 'http://addon.invalid');
  const mark = url.indexOf('?');
  const rawPath = mark < 0 ? url : url.slice(0, mark);
  const prefix = new URL(baseUrl).pathname.replace(/\/$/, '');
  let path = rawPath.startsWith(prefix) ? rawPath.slice(prefix.length) : rawPath;
  if (!path.startsWith('/')) path = `/${path}`;
  if (path.length > 1) path = path.replace(/\/$/, '');

  const byName = new Map<string, string[]>();
  for (const [name, value] of parsed.searchParams) {
    if (name === 'jwt') continue;
    const values = byName.get(percent(name)) ?? [];
    values.push(percent(value));
    byName.set(percent(name), values);
  }
  const query = [...byName.keys()]
    .sort()
    .map((name) => `${name}=${byName.get(name)!.sort().join(',')}`)
    .join('&');
  const canonical = `${method.toUpperCase()}&${path.replaceAll('&', '%26')}&${query}`;
  return createHash('sha256').update(canonical).digest('hex');
}

function percent(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
