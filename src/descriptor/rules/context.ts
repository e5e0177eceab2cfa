// What a rule sees, and how it reports. Rules run even when the shape is wrong, so that every fault is
// found at once: each checks the types it relies on.
import type { OutboundPolicy } from '../../core/addresses.ts';
import type { Fault } from '../../core/errors.ts';
import type { JsonSource } from '../../core/json-source.ts';
import { shownUrl } from '../../core/shown-url.ts';
import type { Platform } from '../../platform/platform.ts';
import { isWebAddress, joinAddress } from '../address.ts';

export interface ValidationOptions {
  platform: Platform;
  /** Which addresses the host will call: a baseUrl that it never could is a fault. */
  policy: OutboundPolicy;
  /** The host's own origin: an add-on cannot live there. */
  hostOrigin?: string;
}

const MOST_CHARACTERS = 2048;

export type Rule = (context: RuleContext) => void;

export class RuleContext {
  readonly faults: Fault[] = [];
  readonly document: Record<string, unknown>;
  readonly source: JsonSource;
  readonly options: ValidationOptions;

  constructor(document: Record<string, unknown>, source: JsonSource, options: ValidationOptions) {
    this.document = document;
    this.source = source;
    this.options = options;
  }

  get platform() {
    return this.options.platform;
  }

  error(pointer: string, code: string, message: string, hint?: string): void {
    this.#report('error', pointer, code, message, hint);
  }

  warn(pointer: string, code: string, message: string, hint?: string): void {
    this.#report('warning', pointer, code, message, hint);
  }

  /** Line of the value at a pointer, for hints. */
  lineOf(pointer: string): number {
    return this.source.locate(pointer).line;
  }

  /** An address below baseUrl. What is wrong with baseUrl is said of baseUrl, not of each address. */
  checkAddress(address: unknown, pointer: string): void {
    const { baseUrl } = this.document;
    if (typeof address !== 'string' || typeof baseUrl !== 'string' || !isWebAddress(baseUrl))
      return;
    // The schema says so already, and a message that repeats it helps nobody.
    if (address.length > MOST_CHARACTERS || baseUrl.length > MOST_CHARACTERS) return;
    const base = shownUrl(baseUrl);
    const joined = joinAddress(base, address);
    if (!('fault' in joined)) return;
    const { code, message, hint } = ADDRESS_FAULTS[joined.fault](shownUrl(address), base);
    this.error(pointer, code, message, hint);
  }

  #report(
    severity: Fault['severity'],
    pointer: string,
    code: string,
    message: string,
    hint?: string,
  ): void {
    this.faults.push({ code, message, hint, pointer, ...this.source.locate(pointer), severity });
  }
}

const ADDRESS_FAULTS = {
  url_not_on_base: (address: string, baseUrl: string) => ({
    code: 'url_not_on_base',
    message: `"${address}" is outside baseUrl "${baseUrl}".`,
    hint: 'Write a path, such as "/hook".',
  }),
  url_credentials: () => ({
    code: 'url_credentials',
    message: 'The address carries a user name or password.',
    hint: 'Remove them: calls are signed.',
  }),
  url_invalid: (address: string) => ({
    code: 'url_invalid',
    message: `"${address}" is not an address.`,
    hint: 'Write a path, such as "/hook".',
  }),
};
