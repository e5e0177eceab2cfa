// How an installation's deliveries fare, and the button that declares its endpoint well.
import type { DeliveryReport, DeliveryStanding } from '../../host/delivery-health.ts';
import { minute } from '../browser/times.ts';
import { plain } from './name.tsx';

const SAYS: Record<DeliveryStanding, string> = {
  well: 'Everything arrives, as far as is known.',
  failing: 'Some fail and are tried again.',
  silent: 'The add-on asked for silence; nothing is sent before that ends.',
  open: 'It fails, and is only probed until one delivery succeeds. What is owed is kept.',
  paused: 'Nothing has arrived for days; it is probed every hour until one delivery succeeds.',
  off: 'It answered 410 for every webhook: it wants no more.',
};

export function DeliveryStandingCard({
  id,
  csrf,
  report,
}: {
  id: string;
  csrf: string;
  report: DeliveryReport;
}) {
  const { state, since, failures, nextProbeAt, silentUntil, webhooksOff } = report;
  const isWell = state === 'well' && webhooksOff.length === 0;
  return (
    <section class="card">
      <div class="row">
        <h2 class="grow">Deliveries</h2>
        <span class={`tag ${isWell ? 'good' : 'admin'}`}>{state}</span>
      </div>
      <p>{SAYS[state]}</p>
      {!isWell && (
        <dl>
          {since !== null && <dt>Since</dt>}
          {since !== null && <dd>{minute(since)}</dd>}
          {failures > 0 && <dt>Failures in a row</dt>}
          {failures > 0 && <dd>{failures}</dd>}
          {nextProbeAt !== null && <dt>Next probe</dt>}
          {nextProbeAt !== null && <dd>{minute(nextProbeAt)}</dd>}
          {silentUntil !== null && <dt>Silent until</dt>}
          {silentUntil !== null && <dd>{minute(silentUntil)}</dd>}
          {webhooksOff.length > 0 && <dt>Switched off by a 410</dt>}
          {webhooksOff.map(({ id, event, url }) => (
            <dd key={id}>
              <code>
                {plain(event)} → {plain(url)}
              </code>
            </dd>
          ))}
        </dl>
      )}
      {!isWell && (
        <form class="row end" method="post" action={`/operator/installations/${id}/recover`}>
          <input type="hidden" name="csrf" value={csrf} />
          <button type="submit">It is well again: send at once</button>
        </form>
      )}
    </section>
  );
}
