import type { Sender } from '../../src/store/engine-store.ts';

/** Holds a share, and sends nothing. */
export const IDLE_SENDER: Sender = {
  taken() {},
  letGo() {},
  lingering: () => [],
  mayOweMore() {},
};
