// A random life of a host: add-ons, their installations, what is published, what is changed in between.
import type { Draw, PlatformJson } from './arbitraries.ts';
import { drawPayload, drawPlatform } from './arbitraries.ts';
import { closureOf, type Json } from './oracle.ts';

export interface Scenario {
  definition: PlatformJson;
  addons: Addon[];
  installations: Installation[];
  first: Event[];
  changes: Change[];
  second: Event[];
  /** The first events wait, fanned out and unsent, until the changes are made: then only the gate stands in the way. */
  isBacklog: boolean;
}

export interface Addon {
  scopes: string[];
  webhooks: { event: string; url: string }[];
  isToldOfInstall: boolean;
}

export interface Installation {
  addon: number;
  context: string | undefined;
  /** undefined = all that the add-on asks for. */
  scopes: string[] | undefined;
  /** undefined = all. */
  resources: string[] | undefined;
}

export interface Event {
  type: string;
  context: string | undefined;
  resource: string | undefined;
  payload: Record<string, Json>;
}

export type Change = { installation: number } & (
  | { kind: 'scopes'; scopes: string[] }
  | { kind: 'resources'; resources: string[] | null }
  | { kind: 'disable' }
  | { kind: 'uninstall' }
);

export const ADDONS = 3;
const RESOURCES = ['acme/site', 'acme/site2', '__proto__', 'x'];

export function drawScenario(draw: Draw): Scenario {
  const definition = drawPlatform(draw);
  const types = Object.keys(definition.events);
  const contexts: (string | undefined)[] = definition.contexts
    ? ['acme', 'globex', 'constructor']
    : [undefined, 'acme'];
  const scopeNames = Object.keys(definition.scopes);

  const addons = Array.from({ length: draw.int(1, ADDONS) }, (): Addon => {
    const scopes = draw.some(scopeNames, 75);
    const closure = closureOf(definition, scopes);
    const covered = types.filter((type) => closure.has(definition.events[type]!.scope));
    return {
      scopes,
      webhooks: Array.from({ length: draw.int(1, 3) }, () => ({
        event: draw.pick(['*', ...covered]),
        url: draw.pick(['/hook', '/hook?b=2', '/other/hook']),
      })),
      isToldOfInstall: draw.maybe(50),
    };
  });
  const grantable = (addon: number) => [...closureOf(definition, addons[addon]!.scopes)];
  const places = addons.flatMap((_, addon) => contexts.map((context) => ({ addon, context })));
  const installations = draw.few(places, 2, 4).map(
    ({ addon, context }): Installation => ({
      addon,
      context,
      scopes: draw.maybe(60) ? draw.some(grantable(addon), 70) : undefined,
      resources: draw.maybe(40) ? draw.some(RESOURCES, 60) : undefined,
    }),
  );
  const event = (): Event => {
    const type = draw.pick(types);
    return {
      type,
      // Mostly where somebody is installed: elsewhere there is nothing to see.
      context: draw.maybe(80) ? draw.pick(installations).context : draw.pick(contexts),
      resource: draw.maybe(70) ? draw.pick(RESOURCES) : undefined,
      payload: drawPayload(draw, definition, definition.events[type]!.payload) as Event['payload'],
    };
  };
  const events = (max: number) => Array.from({ length: draw.int(1, max) }, event);
  const first = events(7);
  const changes = installations.flatMap((_, installation): Change[] => {
    if (!draw.maybe(75)) return [];
    return [
      draw.pick<() => Change>([
        () => ({
          installation,
          kind: 'scopes',
          scopes: draw.some(grantable(installations[installation]!.addon)),
        }),
        () => ({ installation, kind: 'resources', resources: draw.some(RESOURCES) }),
        () => ({ installation, kind: 'resources', resources: draw.maybe(70) ? [] : null }),
        () => ({ installation, kind: 'disable' }),
        () => ({ installation, kind: 'uninstall' }),
      ])(),
    ];
  });
  return {
    definition,
    addons,
    installations,
    first,
    changes,
    second: events(4),
    isBacklog: draw.maybe(50),
  };
}

/** What an installation holds at one time; undefined while it is told nothing. */
export type Holding = { scopes: string[]; resources: string[] | null } | undefined;

export function holdingsBefore({ addons, installations }: Scenario): Holding[] {
  return installations.map(({ addon, scopes, resources }) => ({
    scopes: scopes ?? addons[addon]!.scopes,
    resources: resources ?? null,
  }));
}

export function holdingsAfter(scenario: Scenario): Holding[] {
  const holdings = holdingsBefore(scenario);
  for (const change of scenario.changes) {
    const before = holdings[change.installation]!;
    holdings[change.installation] =
      change.kind === 'scopes'
        ? { ...before, scopes: change.scopes }
        : change.kind === 'resources'
          ? { ...before, resources: change.resources }
          : undefined;
  }
  return holdings;
}

/** Whether an installation with these holdings may be told of an event at all. */
export function mayBeTold(
  scenario: Scenario,
  installation: number,
  holding: Holding,
  event: Event,
): boolean {
  if (holding === undefined) return false;
  const { context } = scenario.installations[installation]!;
  if ((context ?? '') !== (event.context ?? '')) return false;
  const { scope } = scenario.definition.events[event.type]!;
  if (!closureOf(scenario.definition, holding.scopes).has(scope)) return false;
  if (holding.resources === null) return true;
  return event.resource !== undefined && holding.resources.includes(event.resource);
}

/** The addresses at which an installation is told of an event type, each once. */
export function addressesFor(scenario: Scenario, installation: number, type: string): string[] {
  const { addon } = scenario.installations[installation]!;
  const matching = scenario.addons[addon]!.webhooks.filter(
    ({ event }) => event === '*' || event === type,
  );
  return [...new Set(matching.map(({ url }) => url))];
}
