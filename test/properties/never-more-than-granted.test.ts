import { expect } from 'chai';
import fc from 'fast-check';
import { compilePlatform } from '../../src/platform/compile.ts';
import type { FieldNode } from '../../src/platform/payload-fields.ts';
import type { Platform } from '../../src/platform/platform.ts';
import { redact } from '../../src/platform/redact.ts';
import { type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';
import { Draw, drawPayload, drawPlatform, type PlatformJson } from './arbitraries.ts';
import { type Json, violations } from './oracle.ts';
import { play } from './play.ts';
import { ADDONS, drawScenario } from './scenario.ts';

interface Redaction {
  definition: PlatformJson;
  platform: Platform;
  event: { type: string; payload: Json };
  granted: string[];
}

function drawRedaction(draw: Draw): Redaction {
  const definition = drawPlatform(draw, { events: 1 });
  const [type, { payload: schema }] = Object.entries(definition.events)[0]!;
  return {
    definition,
    platform: compilePlatform(JSON.stringify(definition)),
    event: { type, payload: drawPayload(draw, definition, schema) },
    granted: draw.some(Object.keys(definition.scopes)),
  };
}

type Redact = (payload: unknown, fields: FieldNode, scopes: ReadonlySet<string>) => unknown;

const realRedact: Redact = (payload, fields, scopes) => redact(payload, fields, scopes).payload;

function faultsOf({ definition, platform, event, granted }: Redaction, by: Redact): string[] {
  const { fields } = platform.events.get(event.type)!;
  const seen = by(event.payload, fields, platform.scopes.closure(granted));
  return violations(definition, event, granted, JSON.parse(JSON.stringify(seen)));
}

function report(faults: string[], what: unknown): string {
  return `${faults.join('\n')}\n${JSON.stringify(what, null, 1)}`;
}

describe('a redacted payload', () => {
  it('has every field that is named and granted, and no other', function () {
    this.timeout(40_000);
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const drawn = drawRedaction(new Draw(g));
        const { platform, event, ...rest } = drawn;
        const before = JSON.stringify(event.payload);
        expect(platform.events.get(event.type)!.fits(event.payload)).to.equal(true);
        const faults = faultsOf(drawn, realRedact);
        expect(faults, report(faults, { event, ...rest })).to.deep.equal([]);
        expect(JSON.stringify(event.payload)).to.equal(before);
      }),
      // The limit is for shrinking, should it come to that.
      { numRuns: 400, interruptAfterTimeLimit: 15_000, includeErrorInReport: true },
    );
  });

  const broken: Record<string, Redact> = {
    'hides nothing': (payload) => payload,
    'hides everything': () => ({}),
    'takes every scope for granted': (payload, fields) =>
      realRedact(payload, fields, { has: () => true } as unknown as ReadonlySet<string>),
    'takes no scope for granted': (payload, fields) => realRedact(payload, fields, new Set()),
    'looks at the top only': (payload, fields, scopes) => {
      const top = realRedact(payload, fields, scopes) as Record<string, Json>;
      return Object.fromEntries(
        Object.entries(payload as object).filter(([name]) => Object.hasOwn(top, name)),
      );
    },
    'forgets the scopes of elements': (payload, fields, scopes) =>
      realRedact(payload, withoutItemScopes(fields), scopes),
  };
  for (const [how, by] of Object.entries(broken)) {
    it(`is found wrong when redaction ${how}`, () => {
      const run = fc.check(
        fc.property(fc.gen(), (g) => faultsOf(drawRedaction(new Draw(g)), by).length === 0),
        { numRuns: 300, endOnFailure: true },
      );
      expect(run.failed).to.equal(true);
    });
  }
});

function withoutItemScopes(node: FieldNode, seen = new Map<FieldNode, FieldNode>()): FieldNode {
  const known = seen.get(node);
  if (known) return known;
  const copy: FieldNode = { ...node, properties: new Map(), items: undefined };
  seen.set(node, copy);
  for (const [name, field] of node.properties) {
    copy.properties.set(name, { ...field, node: withoutItemScopes(field.node, seen) });
  }
  if (node.items) copy.items = { scopes: [], node: withoutItemScopes(node.items.node, seen) };
  return copy;
}

describe('what installations receive', () => {
  let servers: FakeAddon[];

  before(async () => {
    servers = await Promise.all(Array.from({ length: ADDONS }, () => fakeAddon()));
  });

  after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('is all that their grants cover, and nothing else', async function () {
    // Forty hosts, or as many as a slow machine starts in the time.
    this.timeout(150_000);
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (g) => {
        const scenario = drawScenario(new Draw(g));
        const faults = await play(scenario, servers);
        expect(faults, report(faults, scenario)).to.deep.equal([]);
      }),
      // Whole hosts are slow to shrink; the seed repeats the run.
      {
        numRuns: 40,
        endOnFailure: true,
        includeErrorInReport: true,
        interruptAfterTimeLimit: 90_000,
      },
    );
  });

  for (const depth of [60, 3_500]) {
    it(`is ${depth} levels deep, or is refused when it is published`, async () => {
      const tree = { type: 'object', properties: { in: { $ref: '#/definitions/tree' } } };
      const event = { title: 'Grown', scope: 'read', payload: tree, example: {} };
      const running = await startHost({
        platform: {
          key: 'trees',
          name: 'Trees',
          scopes: { read: { sentence: 'See trees' } },
          events: { 'tree:grown': event },
          definitions: { tree },
        },
      });
      try {
        const [addon] = servers as [FakeAddon];
        addon.calls.length = 0;
        const descriptor = { ...addon.descriptor, scopes: ['read'] };
        const { status } = await running.operator('POST', '/installations', { descriptor });
        expect(status).to.equal(201);
        const payload = JSON.parse('{"in":'.repeat(depth) + '{}'.padEnd(depth + 2, '}'));
        const isAccepted = await running.host.publish({ type: 'tree:grown', payload }).then(
          () => true,
          (error) => {
            expect(error.status).to.be.within(400, 499);
            return false;
          },
        );
        if (isAccepted) await until(() => addon.to('/hook')[0], 'the delivery', 3_000);
      } finally {
        await running.stop();
      }
    });
  }
});
