// The origin the host is reached at.
import { invalid, missing } from './faults.ts';

export function readBaseUrl(text: string, isDev: boolean): string {
  if (!text)
    throw missing(
      'baseUrl',
      'the address add-ons reach this host at',
      'Set MORTISE_BASE_URL=https://code.example',
    );
  const example = 'Write it like https://code.example, without a path.';
  if (!URL.canParse(text)) throw invalid('baseUrl', `"${text}" is not a URL.`, example);
  const url = new URL(text);
  if (url.pathname !== '/' || url.search || url.hash || url.username) {
    throw invalid('baseUrl', `"${text}" is more than an origin.`, example);
  }
  if (url.protocol !== 'https:' && !(isDev && url.protocol === 'http:')) {
    throw invalid(
      'baseUrl',
      `"${text}" is not https.`,
      'Use https, or --dev for development on this machine.',
    );
  }
  return url.origin;
}
