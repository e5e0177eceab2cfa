// What was really sent to an add-on, and what it answered.
import { plain } from './name.tsx';

export interface ExchangeView {
  id: string;
  kind: string;
  method: string;
  url: string;
  status: number | null;
  message: string | null;
  excerpt: string | null;
  durationMs: number;
  at?: string;
}

export function Exchange({ exchange }: { exchange: ExchangeView }) {
  const { kind, method, url, status, message, excerpt, durationMs, at } = exchange;
  const isGood = status !== null && status >= 200 && status < 300;
  return (
    <div class="exchange">
      <p class="row">
        <span class={isGood ? 'tag good' : 'tag admin'}>{status ?? 'no answer'}</span>
        <strong class="grow">{kind}</strong>
        <small>
          {at && `${at}, `}
          {durationMs} ms
        </small>
      </p>
      <p>
        <code>
          {method} {plain(url)}
        </code>
      </p>
      {message && <p>{plain(message)}</p>}
      {excerpt ? (
        <pre class="source">
          <code>{excerpt.split('\n').map(plain).join('\n')}</code>
        </pre>
      ) : (
        status !== null && <p class="soft">The answer had no body.</p>
      )}
    </div>
  );
}
