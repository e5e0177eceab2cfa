// What was done, or why not; a fault is announced, whatever else the page holds.
export interface Problem {
  message: string;
  hint?: string;
}

export function Said({ text }: { text: string | undefined }) {
  if (!text) return null;
  return (
    <p class="note good" role="status">
      {text}
    </p>
  );
}

export function Refusal({ problem }: { problem: Problem | undefined }) {
  if (!problem) return null;
  return (
    <div class="note bad" role="alert">
      <p>{problem.message}</p>
      {problem.hint && <p>{problem.hint}</p>}
    </div>
  );
}
