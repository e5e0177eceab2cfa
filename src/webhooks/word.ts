// Word of what others made due. It is read beside what this process sends, and may be of before: each is sent once.
import type { FoundWork } from '../store/engine-store.ts';
import type { OwedDelivery } from '../store/rows.ts';
import type { Attempts } from './attempts.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Loop } from './loop.ts';
import type { Turns } from './turns.ts';

export interface WordParts {
  attempts: Pick<Attempts, 'prefetch'>;
  loop: Loop;
  lanes: Lanes;
  turns: Turns;
}

export class Word {
  readonly #parts: WordParts;
  /** Recorded while it is read: what it says of them is of before. */
  #recordedMeanwhile: Set<string> | undefined;

  constructor(parts: WordParts) {
    this.#parts = parts;
  }

  recorded(deliveryId: string): void {
    this.#recordedMeanwhile?.add(deliveryId);
  }

  /** What others have left to do. @returns whether there is more than that */
  async hear(look: () => Promise<FoundWork | undefined>): Promise<boolean> {
    const { attempts, turns } = this.#parts;
    const recorded = new Set<string>();
    this.#recordedMeanwhile = recorded;
    try {
      const found = await look();
      if (!found) return false;
      for (const installationId of found.installationIds) turns.expect(installationId);
      // What cannot be read now is read when it is sent.
      await attempts.prefetch(found.owed).catch(() => undefined);
      this.#handAnew(found.owed.filter(({ id }) => !recorded.has(id)));
      return found.hasMore;
    } finally {
      this.#recordedMeanwhile = undefined;
    }
  }

  /** A lane that has read from the table meanwhile may have them from there: it reads again. */
  #handAnew(owed: OwedDelivery[]): void {
    const { loop, lanes, turns } = this.#parts;
    const reading = new Set<Lane>();
    for (const { installationId } of owed) {
      const lane = lanes.find(installationId);
      if (lane && (lane.inHand > 0 || lane.isRefilling)) reading.add(lane);
    }
    for (const delivery of owed) {
      const lane = lanes.find(delivery.installationId);
      if (lane && reading.has(lane)) turns.expect(delivery.installationId);
      else if (!lane?.hasTaken(delivery.id)) turns.hand(delivery, performance.now());
    }
    loop.goRound();
  }
}
