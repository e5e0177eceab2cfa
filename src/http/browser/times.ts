// Times as pages show them.
import { isoTime } from '../../core/clock.ts';

export function day(ms: number): string {
  return isoTime(ms).slice(0, 10);
}

export function minute(ms: number): string {
  return `${isoTime(ms).slice(0, 16).replace('T', ' ')} UTC`;
}
