// What Mortise is measured against, and what each needs.
import { installPeers, requireRedis } from './requirements.ts';

export type Peer = 'ceiling' | 'naive' | 'bullmq' | 'pg-boss';

interface PeerArm {
  /** Below bench/. */
  file: string;
  /** Completes the row: "0.5 of …". */
  of: string;
  /** A run; both sides make the same number. Slow ones make fewer. */
  deliveries: { quick: number; full: number };
  /** @throws Skipped */
  require?: () => Promise<void>;
}

export const PEERS: Record<Peer, PeerArm> = {
  ceiling: {
    file: 'delivery/arms/ceiling.ts',
    of: 'the in-memory ceiling: undici dispatch with the same signatures, nothing kept',
    deliveries: { quick: 10_000, full: 50_000 },
  },
  naive: {
    file: 'delivery/arms/naive.ts',
    of: 'a loop over global fetch with jsonwebtoken, nothing kept',
    deliveries: { quick: 3_000, full: 10_000 },
  },
  bullmq: {
    file: 'peers/bullmq.js',
    of: 'BullMQ, Redis appendfsync always, same signatures and sender, retries on',
    deliveries: { quick: 5_000, full: 20_000 },
    require: async () => {
      await installPeers();
      requireRedis();
    },
  },
  'pg-boss': {
    file: 'peers/pg-boss.js',
    of: 'pg-boss on PostgreSQL, fetched in batches, same signatures and sender, retries on',
    deliveries: { quick: 3_000, full: 10_000 },
    require: installPeers,
  },
};
