// Every row of the results, by the name that `npm run bench -- NAME…` picks it by.
import { backlogMemory } from './delivery/backlog-memory.ts';
import { backlogRefill } from './delivery/backlog-refill.ts';
import { fanOut, oneToOne, withheld } from './delivery/deliveries.ts';
import { firstByte } from './delivery/first-byte.ts';
import { hungAddons } from './delivery/hung-addons.ts';
import { loopDelay, routeLatency } from './delivery/product-delay.ts';
import { publishInsert } from './delivery/publish-insert.ts';
import { publishWide } from './delivery/publish-wide.ts';
import { takeOver, twoReplicas } from './delivery/replicas.ts';
import { descriptorValidation } from './descriptor-validation.ts';
import { guardedCall, guardedRow } from './guarded-call.ts';
import type { OpenRow } from './plan.ts';
import { tokenCheck } from './token-check.ts';

export const ROWS: Record<string, OpenRow> = {
  'deliveries-ceiling': oneToOne('ceiling'),
  'deliveries-withheld': withheld,
  'deliveries-naive': oneToOne('naive'),
  'deliveries-bullmq': oneToOne('bullmq'),
  'deliveries-pg-boss': oneToOne('pg-boss'),
  'fan-out-ceiling': fanOut('ceiling'),
  'fan-out-naive': fanOut('naive'),
  'fan-out-bullmq': fanOut('bullmq'),
  'fan-out-pg-boss': fanOut('pg-boss'),
  'postgres-deliveries-ceiling': oneToOne('ceiling', 'postgres'),
  'postgres-deliveries-pg-boss': oneToOne('pg-boss', 'postgres'),
  'postgres-fan-out-ceiling': fanOut('ceiling', 'postgres'),
  'postgres-two-replicas': twoReplicas,
  'postgres-take-over': takeOver,
  'publish-wide': publishWide,
  'publish-insert': publishInsert,
  'first-byte': firstByte,
  'hung-add-ons': hungAddons,
  'event-loop-delay': loopDelay,
  'route-latency': routeLatency,
  'backlog-refill': backlogRefill,
  'backlog-memory': backlogMemory,
  'token-check': tokenCheck,
  'guarded-call': guardedCall,
  'guarded-row': guardedRow,
  'descriptor-validation': descriptorValidation,
};
