// What an operator may see of an answer from outside: its beginning, without what it echoes of our secrets.
import type { OutboundAnswer } from './outbound.ts';
import { matchesHash } from './secrets.ts';

export interface SeenAnswer {
  /** HTTP status; null if there was no answer. */
  status: number | null;
  errorCode: string | null;
  message: string | null;
  excerpt: string | null;
  durationMs: number;
}

const EXCERPT_CHARACTERS = 1_000;

/** As randomSecret writes them. */
const RANDOM_SECRET = /(?<![\w-])[\w-]{43}(?![\w-])/g;

/** @param isCut its end is missing: so may be the end of a secret, which is then taken away with what stands there. */
export function blackened(text: string, secrets: string[], isCut: boolean): string {
  const rest = secrets.reduce((shown, secret) => shown.replaceAll(secret, '…'), text);
  const longest = Math.max(0, ...secrets.map(({ length }) => length));
  return isCut ? rest.slice(0, Math.max(0, rest.length - longest)) : rest;
}

/** @param secrets blacked out of the excerpt, as are those of which only the hash is known. */
export function seenAnswer(
  answer: OutboundAnswer,
  secrets: string[],
  secretHashes: Buffer[] = [],
): SeenAnswer {
  if (answer.kind === 'answer') {
    const text = blackened(answer.body.toString('utf8'), secrets, answer.isTruncated);
    const excerpt = text.replace(RANDOM_SECRET, (word) =>
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
