// What went wrong, and what to do.
import { type Frame, Layout } from './layout.tsx';
import type { Problem } from './notice.tsx';

export function ErrorPage({ frame, error }: { frame: Frame; error: Problem }) {
  return (
    <Layout {...frame} title="That did not work">
      <div class="card" role="alert">
        <h1>That did not work</h1>
        <p>{error.message}</p>
        {error.hint && <p class="soft">{error.hint}</p>}
      </div>
    </Layout>
  );
}
