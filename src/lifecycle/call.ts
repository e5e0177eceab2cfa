// One exchange with an add-on about its own installation, and what an operator may see of it.
import { newId } from '../core/ids.ts';
import type { Outbound } from '../core/outbound.ts';
import { seenAnswer } from '../core/seen-answer.ts';
import type { CallKind, ExchangeRecord } from '../store/rows.ts';

export interface LifecycleRequest {
  kind: CallKind;
  installationId: string;
  attempt: number;
  url: string;
  headers: Record<string, string>;
  body: Buffer;
  /** Blacked out of the answer's excerpt: an add-on may echo what it was sent. */
  secrets: string[];
  /** Of secrets that nobody but the add-on knows any more. */
  secretHashes: Buffer[];
  at: number;
}

export interface LifecycleResult {
  isAccepted: boolean;
  exchange: ExchangeRecord;
}

const ANSWER_BYTES = 16 * 1024;

/** Any 2xx is a yes; everything else, redirects included, is a no. */
export async function callAddon(
  outbound: Outbound,
  request: LifecycleRequest,
): Promise<LifecycleResult> {
  const answer = await outbound.send({
    method: 'POST',
    url: request.url,
    headers: {
      ...request.headers,
      'content-type': 'application/json',
      'user-agent': 'Mortise-Lifecycle/1',
    },
    body: request.body,
    maxBytes: ANSWER_BYTES,
    once: true,
  });
  const { kind, installationId, attempt, url, at } = request;
  return {
    isAccepted: answer.kind === 'answer' && answer.status >= 200 && answer.status < 300,
    exchange: {
      id: newId(),
      installationId,
      kind,
      attempt,
      method: 'POST',
      url,
      at,
      ...seenAnswer(answer, request.secrets, request.secretHashes),
    },
  };
}
