// A process that runs the engine's lock, if it gets it, and says every 50 ms whether it holds it.
import { openPostgres } from '../../src/store/postgres/open.ts';

const store = openPostgres(process.env.DATABASE!);
const lock = await store.engine.tryLock();
const say = (word: string) => process.stdout.write(`${word}\n`);
if (lock) {
  void lock.lost.then(() => say('lost'));
  // A host has timers of its own that keep it alive.
  setInterval(() => say(lock.isHeld() ? 'held' : 'not held'), 50);
} else {
  say('taken');
}
