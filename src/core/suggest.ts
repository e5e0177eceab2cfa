// "Did you mean …?": the nearest of a list of known names, if it is near enough to be a typing error.
import { distance } from 'fastest-levenshtein';

export function nearest(given: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const candidate of known) {
    const d = distance(given.toLowerCase(), candidate.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best;
}

export function didYouMean(given: string, known: Iterable<string>): string | undefined {
  const name = nearest(given, known);
  return name === undefined ? undefined : `Did you mean "${name}"?`;
}
