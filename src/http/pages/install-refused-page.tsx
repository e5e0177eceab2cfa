// The add-on did not accept: what was sent, what came back, and once more.
import { Exchange, type ExchangeView } from './exchange.tsx';
import { InstallHidden, type Proposed } from './install-hidden.tsx';
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';
import { type Problem, Refusal } from './notice.tsx';

export function InstallRefusedPage({
  frame,
  csrf,
  proposed,
  addonName,
  chosen,
  acceptsNewOrigin,
  problem,
  exchange,
}: {
  frame: Frame;
  csrf: string;
  proposed: Proposed;
  addonName: string;
  /** null = all. */
  chosen: string[] | null;
  acceptsNewOrigin: boolean;
  problem: Problem;
  exchange: ExchangeView | undefined;
}) {
  return (
    <Layout {...frame} title={`${addonName} was not installed`}>
      <form class="card" method="post" action="/operator/installations">
        <h1>
          <Name of={addonName} /> did not accept
        </h1>
        <Refusal problem={problem} />
        {exchange && <Exchange exchange={exchange} />}
        <InstallHidden csrf={csrf} proposed={proposed} />
        <input type="hidden" name="where" value={chosen === null ? 'all' : 'chosen'} />
        {chosen?.map((id) => (
          <input key={id} type="hidden" name={`resource.${id}`} value="on" />
        ))}
        {acceptsNewOrigin && <input type="hidden" name="acceptNewOrigin" value="on" />}
        <div class="row end">
          <a class="button" href="/operator/installations">
            Leave it
          </a>
          <button class="main" type="submit">
            Try again
          </button>
        </div>
      </form>
    </Layout>
  );
}
