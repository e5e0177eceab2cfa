// One exchange with an add-on about its own installation, and what an operator may see of it.
import { newId } from '../core/ids.ts';
import type { Outbound, OutboundAnswer } from '../core/outbound.ts';
import { matchesHash } from '../core/secrets.ts';
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

/** As randomSecret writes them. */
const RANDOM_SECRET = /(?<![\w-])[\w-]{43}(?![\w-])/g;
const ANSWER_BYTES = 16 * 1024;
const EXCERPT_CHARACTERS = 1_000;

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
      ...seen(answer, request),
    },
  };
}

function seen(
  answer: OutboundAnswer,
  { secrets, secretHashes }: Pick<LifecycleRequest, 'secrets' | 'secretHashes'>,
): Pick<ExchangeRecord, 'status' | 'errorCode' | 'message' | 'excerpt' | 'durationMs'> {
  if (answer.kind === 'answer') {
    let excerpt = answer.body.toString('utf8');
    for (const secret of secrets) excerpt = excerpt.replaceAll(secret, '…');
    excerpt = excerpt.replace(RANDOM_SECRET, (word) =>
      secretHashes.some((hash) => matchesHash(word, hash)) ? '…' : word,
    );
    return {
      status: answer.status,
      errorCode: null,
      message: null,
      excerpt: excerpt.slice(0, EXCERPT_CHARACTERS),
      durationMs: answer.durationMs,
    };
  }
  const failure =
    answer.kind === 'failure' ? answer : { code: 'withheld', message: '', durationMs: 0 };
  return {
    status: null,
    errorCode: failure.code,
    message: failure.message,
    excerpt: null,
    durationMs: failure.durationMs,
  };
}
