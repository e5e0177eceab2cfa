// "Did you mean …?": the nearest of a list of known names, if it is near enough to be a typing error.
import { distance } from 'fastest-levenshtein';

/** Two edits of a name of four letters make another word of it. */
function mostEdits(given: string): number {
  return given.length <= 4 ? 1 : Math.max(2, Math.floor(given.length / 3));
}

export function didYouMean(given: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = mostEdits(given) + 1;
  for (const candidate of known) {
    const d = distance(given.toLowerCase(), candidate.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best === undefined ? undefined : `Did you mean "${best}"?`;
}
