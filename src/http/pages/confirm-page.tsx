// Asks once more before something that cannot be undone.
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';

export function ConfirmPage({
  frame,
  csrf,
  verb,
  name,
  consequences,
  action,
  back,
}: {
  frame: Frame;
  csrf: string;
  /** What the button does, to what. */
  verb: string;
  name: string;
  consequences: string[];
  action: string;
  back: string;
}) {
  return (
    <Layout {...frame} title={`${verb} ${name}?`}>
      <form class="card" method="post" action={action}>
        <h1>
          {verb} <Name of={name} />?
        </h1>
        <ul>
          {consequences.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
        <input type="hidden" name="csrf" value={csrf} />
        <div class="row end">
          <a class="button" href={back}>
            Cancel
          </a>
          <button class="danger" type="submit">
            {verb}
          </button>
        </div>
      </form>
    </Layout>
  );
}
