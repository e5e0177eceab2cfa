// Every row of the results, by the name that `npm run bench -- NAME…` picks it by.
import { fanOut, oneToOne } from './delivery/deliveries.ts';
import { descriptorValidation } from './descriptor-validation.ts';
import { guardedCall } from './guarded-call.ts';
import type { OpenRow } from './plan.ts';
import { tokenCheck } from './token-check.ts';

export const ROWS: Record<string, OpenRow> = {
  'deliveries-ceiling': oneToOne('ceiling'),
  'deliveries-naive': oneToOne('naive'),
  'deliveries-bullmq': oneToOne('bullmq'),
  'deliveries-pg-boss': oneToOne('pg-boss'),
  'fan-out-ceiling': fanOut('ceiling'),
  'fan-out-naive': fanOut('naive'),
  'fan-out-bullmq': fanOut('bullmq'),
  'fan-out-pg-boss': fanOut('pg-boss'),
  'token-check': tokenCheck,
  'guarded-call': guardedCall,
  'descriptor-validation': descriptorValidation,
};
