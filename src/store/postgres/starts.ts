// What a replica knows of where the tables it reads begin: all of it holds for the buckets it had when it looked.
import { LaneStarts } from './lane-starts.ts';
import { OutboxStart } from './outbox-start.ts';

export class Starts {
  readonly outbox = new OutboxStart();
  readonly lanes = new LaneStarts();

  forget(): void {
    this.outbox.forget();
    this.lanes.forget();
  }
}
