// The ceiling: signs and sends as fast as it can. Nothing is kept, nothing is tried again.
import { answerQuestions, monotonicMs, readSettings } from '../../processes/child.ts';
import { type ArmSettings, CONCURRENCY, type Load, type Loaded } from '../arm.ts';
import { inParallel } from '../in-parallel.ts';
import { pushPayload } from '../push-event.ts';
import { createSender } from '../sender.ts';
import { webhookBody } from '../signed-request.ts';

const { addons } = readSettings<ArmSettings>();
const send = createSender();
const payload = pushPayload();
let made = 0;

answerQuestions({
  async run({ events, fanOut }: Load): Promise<Loaded> {
    const startedAt = monotonicMs();
    const perEvent = fanOut === 'all' ? addons.length : 1;
    await inParallel(events * perEvent, CONCURRENCY, () => {
      const i = made++;
      return send(addons[i % addons.length]!, `ceiling-${i}`, webhookBody(payload));
    });
    return { startedAt };
  },
});
