// Every error a person or a program may see. `code` is stable and documented; `message` says what
// happened and why; `hint` says what to do now; `cause` is for logs only.

/** One thing wrong with a document, with its place: a JSON pointer (RFC 6901), line and column from 1. */
export interface Fault {
  code: string;
  message: string;
  hint?: string;
  pointer?: string;
  line?: number;
  column?: number;
  severity: 'error' | 'warning';
}

export interface ErrorDetails {
  code: string;
  /** HTTP status a door answers with. */
  status: number;
  message: string;
  hint?: string;
  /** When a document is at fault: every fault at once. */
  faults?: Fault[];
  /** Extra members of the problem document; never a secret. */
  extensions?: Record<string, unknown>;
  cause?: unknown;
}

export class MortiseError extends Error {
  readonly code: string;
  readonly status: number;
  readonly hint?: string;
  readonly faults?: Fault[];
  readonly extensions: Record<string, unknown>;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'MortiseError';
    this.code = details.code;
    this.status = details.status;
    this.hint = details.hint;
    this.faults = details.faults;
    this.extensions = details.extensions ?? {};
  }
}

/** The sentence a person reads for a fault: place, what, what to do. */
export function describeFault(fault: Fault): string {
  const place = fault.line === undefined ? '' : `${fault.line}:${fault.column} `;
  const pointer = fault.pointer ? `${fault.pointer}: ` : '';
  return `${place}${pointer}${fault.message}${fault.hint ? ` ${fault.hint}` : ''}`;
}
