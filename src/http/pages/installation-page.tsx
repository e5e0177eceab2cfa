// One installation: what it was granted, what it is told of, and what was said to it.
import type { DeliveryReport } from '../../host/delivery-health.ts';
import type { ScopeGroup } from '../../host/scope-view.ts';
import { DeliveryStandingCard } from './delivery-standing.tsx';
import { Exchange, type ExchangeView } from './exchange.tsx';
import { InstallationActions } from './installation-actions.tsx';
import { InstallationFacts, type InstallationItem, State } from './installations-page.tsx';
import { type Frame, Layout } from './layout.tsx';
import { Name } from './name.tsx';
import { type Problem, Refusal, Said } from './notice.tsx';
import { ScopeList } from './scope-list.tsx';

export function InstallationPage({
  frame,
  csrf,
  item,
  groups,
  delivery,
  exchanges,
  said,
  problem,
}: {
  frame: Frame;
  csrf: string;
  item: InstallationItem;
  groups: ScopeGroup[];
  delivery: DeliveryReport;
  /** Newest first. */
  exchanges: ExchangeView[];
  said?: string;
  problem?: Problem;
}) {
  return (
    <Layout {...frame} title={item.name} isWide>
      <div class="row">
        <h1 class="grow">
          <Name of={item.name} />
        </h1>
        <State of={item.state} />
      </div>
      <Said text={said} />
      <Refusal problem={problem} />
      <section class="card">
        <InstallationFacts item={item} />
        <InstallationActions item={item} csrf={csrf} isAlone />
      </section>
      <section class="card">
        <h2>It may</h2>
        <ScopeList groups={groups} heading="h3" />
      </section>
      {item.state !== 'uninstalled' && (
        <DeliveryStandingCard id={item.id} csrf={csrf} report={delivery} />
      )}
      <section class="card">
        <h2>What was said to it</h2>
        {exchanges.length === 0 && (
          <p class="soft">Nothing: its descriptor names no address to be called about this.</p>
        )}
        {exchanges.map((exchange) => (
          <Exchange key={exchange.id} exchange={exchange} />
        ))}
      </section>
    </Layout>
  );
}
