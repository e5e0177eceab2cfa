// Development only: any name signs in.
import { Layout } from './layout.tsx';

export function SignInPage({
  name,
  csrf,
  returnTo,
}: {
  name: string;
  csrf: string;
  returnTo: string;
}) {
  return (
    <Layout name={name} title="Sign in">
      <form class="card" method="post" action="/signin">
        <h1>Sign in</h1>
        <p class="note">
          This host runs for development: any name will do, and no password is asked.
        </p>
        <input type="hidden" name="csrf" value={csrf} />
        <input type="hidden" name="return" value={returnTo} />
        <label class="field">
          <span>User name</span>
          <input
            type="text"
            name="user"
            value="alice"
            required
            maxLength={64}
            pattern="[\w.@\-]+"
            title="Letters, digits, “.”, “_”, “@” and “-”"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
          />
        </label>
        <div class="row end">
          <button class="main" type="submit">
            Sign in
          </button>
        </div>
      </form>
    </Layout>
  );
}
