// The answer to an OAuth 1 consumer that cannot be redirected to: the user takes it there.
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';

export function VerifierPage({
  frame,
  consumerName,
  verifier,
}: {
  frame: Frame;
  consumerName: string;
  /** undefined: the user said no. */
  verifier: string | undefined;
}) {
  return (
    <Layout {...frame} title={verifier === undefined ? 'Denied' : 'Your code'}>
      <div class="card">
        {verifier === undefined ? (
          <h1>
            <Name of={consumerName} /> got no access
          </h1>
        ) : (
          <>
            <h1>
              Type this into <Name of={consumerName} />
            </h1>
            <code class="secret">{verifier}</code>
            <p class="note">
              It is good once, and for ten minutes at most. Give it to nobody else: it opens your
              account.
            </p>
          </>
        )}
      </div>
    </Layout>
  );
}
