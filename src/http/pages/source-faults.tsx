// Faults of a document on the document's own lines, each with a mark under what is wrong.
import type { Fault } from '../../core/errors.ts';
import { plain } from './name.tsx';

/** Lines of a document around a fault; `mark` is the part at fault, on the line whose number is `line`. */
const AROUND = 1;
/** A line longer than this is cut around its mark: minified documents are one line. */
const MOST_COLUMNS = 160;

export function SourceFaults({ faults, text }: { faults: Fault[]; text: string | undefined }) {
  const lines = text?.split(/\r\n|\r|\n/);
  return (
    <ol class="plain faults">
      {faults.map((fault) => (
        <li key={`${fault.code} ${fault.line}:${fault.column} ${fault.pointer}`}>
          <p>
            <span class={`tag ${fault.severity === 'error' ? 'admin' : 'write'}`}>
              {fault.severity}
            </span>{' '}
            <strong>{plain(fault.message)}</strong>
          </p>
          {fault.hint && <p>{plain(fault.hint)}</p>}
          {lines && fault.line !== undefined && <Excerpt lines={lines} fault={fault} />}
          <small>
            {fault.line !== undefined && `Line ${fault.line}, column ${fault.column} · `}
            {fault.pointer && (
              <>
                <code>{plain(fault.pointer)}</code> ·{' '}
              </>
            )}
            <code>{fault.code}</code>
          </small>
        </li>
      ))}
    </ol>
  );
}

function Excerpt({ lines, fault }: { lines: string[]; fault: Fault }) {
  const { line = 1, column = 1 } = fault;
  const first = Math.max(1, line - AROUND);
  const shown = lines.slice(first - 1, line + AROUND);
  return (
    <pre class="source">
      {shown.map((content, i) => {
        const number = first + i;
        return (
          <span key={number} class={number === line ? 'line at' : 'line'}>
            <span class="no">{number}</span>
            <code>
              {number === line ? (
                <Marked line={content} at={column - 1} />
              ) : (
                shownSource(content.slice(0, MOST_COLUMNS))
              )}
            </code>
          </span>
        );
      })}
    </pre>
  );
}

function Marked({ line, at }: { line: string; at: number }) {
  const start = Math.max(0, at - MOST_COLUMNS / 2);
  const token = tokenAt(line.slice(at));
  const end = at + token.length;
  const rest = line.slice(end, end + MOST_COLUMNS / 2);
  return (
    <>
      {start > 0 && '…'}
      {shownSource(line.slice(start, at))}
      <mark>{shownSource(token) || ' '}</mark>
      {shownSource(rest)}
      {end + rest.length < line.length && '…'}
    </>
  );
}

/** The JSON token that a place in a line begins: a string, a word or number, or one sign. */
function tokenAt(text: string): string {
  return (/^(?:"(?:[^"\\]|\\.)*"?|[\w.+-]+|.)/su.exec(text)?.[0] ?? '').slice(0, MOST_COLUMNS / 2);
}

function shownSource(text: string): string {
  return plain(text.replaceAll('\t', '  '));
}
