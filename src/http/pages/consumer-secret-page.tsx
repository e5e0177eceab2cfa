// A consumer's credentials, the secret this once.
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';

export function ConsumerSecretPage({
  frame,
  id,
  name,
  secret,
  isReplaced,
}: {
  frame: Frame;
  id: string;
  name: string;
  /** undefined for a public consumer. */
  secret: string | undefined;
  isReplaced?: boolean;
}) {
  return (
    <Layout {...frame} title={isReplaced ? 'The new secret' : 'Registered'}>
      <div class="card">
        <h1>
          <Name of={name} /> {isReplaced ? 'has a new secret' : 'is registered'}
        </h1>
        <h2>Client id</h2>
        <code class="secret">{id}</code>
        {secret !== undefined && (
          <>
            <h2>Client secret</h2>
            <code class="secret">{secret}</code>
            <p class="note">
              Copy it now: it is shown this once. Only its hash is kept, so nobody can show it
              again.
            </p>
          </>
        )}
        {secret === undefined && (
          <p class="note">A public consumer has no secret: it sends a code_challenge (PKCE).</p>
        )}
        {isReplaced && (
          <p>
            The old secret is good for 24 hours more. Give the application the new one before that.
          </p>
        )}
        <div class="row end">
          <a class="button main" href="/account/consumers">
            {secret === undefined ? 'Done' : 'I have copied it'}
          </a>
        </div>
      </div>
    </Layout>
  );
}
