// The clock of the machine that a program runs on, which can be set: `Date` in all of its threads. It is loaded before
// everything else (child.ts), since it is another bundle than the program: set-machine-clock.ts speaks to it.
import {
  BroadcastChannel,
  getEnvironmentData,
  isMainThread,
  setEnvironmentData,
} from 'node:worker_threads';
import { MACHINE_CLOCK } from './set-machine-clock.ts';

const Real = Date;
const realNow = Date.now.bind(Date);
let offsetMs = Number(getEnvironmentData(MACHINE_CLOCK) ?? 0);

Real.now = () => realNow() + offsetMs;
globalThis.Date = new Proxy(Real, {
  construct: (target, values, newTarget) =>
    Reflect.construct(target, values.length > 0 ? values : [Real.now()], newTarget),
});

const channel = new BroadcastChannel(MACHINE_CLOCK);
channel.unref();
channel.onmessage = (message: unknown) => {
  offsetMs = Number((message as { data: unknown }).data);
};
if (isMainThread) {
  process.on(MACHINE_CLOCK, (ms: number) => {
    offsetMs = ms;
    // For threads that start later.
    setEnvironmentData(MACHINE_CLOCK, ms);
    channel.postMessage(ms);
  });
}
