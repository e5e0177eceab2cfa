// Fault 15: a database that can be read, and written no further.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { expectEveryAttemptRecorded, Rig, sleep } from './rig.ts';

interface Limited {
  /** Leaves next to no room. */
  fill(rig: Rig): void;
  free(rig: Rig): void;
  remove(): void;
}

const BALLAST = 'ballast';

/** A small file system of its own; only root may mount one. */
function smallDisk(folder: string): Limited | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    return undefined;
  }
  return {
    fill() {
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(join(folder, BALLAST), Buffer.alloc(bavail * bsize - 64 * 1024));
    },
    free: () => rmSync(join(folder, BALLAST)),
    remove: () => execFileSync('umount', ['-l', folder]),
  };
}

/** A limit on how long files of this process may become; needs no rights. SQLite reports an I/O error, not a full disk. */
function shortFiles(): Limited | undefined {
  if (!existsSync('/usr/bin/prlimit')) return undefined;
  const limit = (rig: Rig, bytes: string) =>
    execFileSync('prlimit', ['--pid', String(rig.pid), `--fsize=${bytes}:unlimited`]);
  return {
    fill: (rig) => limit(rig, String(8 * 1024)),
    free: (rig) => limit(rig, 'unlimited'),
    remove() {},
  };
}

const limits: [string, (folder: string) => Limited | undefined, string, string][] = [
  ['a full disk', smallDisk, 'tmpfs cannot be mounted here (it takes root)', 'store_full'],
  [
    'files that may grow no further',
    shortFiles,
    'prlimit is missing (util-linux)',
    'store_unusable',
  ],
];

for (const [title, makeLimited, missing, code] of limits) {
  describe(title, function () {
    this.timeout(60_000);
    let rig: Rig | undefined;
    let limited: Limited | undefined;

    before(function () {
      const folder = temporaryFolder();
      limited = makeLimited(folder);
      if (!limited) {
        console.warn(`      NOT TESTED: ${title}. ${missing}.`);
        this.skip();
      }
      this.folder = folder;
    });
    beforeEach(async function () {
      rig = await Rig.open({ jitter: 0, folder: this.folder });
      await rig.start();
      await rig.install('addon');
    });
    after(async () => {
      await rig?.close();
      limited?.remove();
    });

    it('refuses to publish with a code of its own, writes no half, sends nothing it cannot record, and goes on', async () => {
      const { fill, free } = limited!;
      await rig!.behave('addon', { hold: true });
      const before = await rig!.publish();
      await until(async () => (await rig!.counts('addon')).received === 1, 'an attempt under way');
      fill(rig!);
      const faults: string[] = [];
      const acknowledged: string[] = [];
      const pad = 'x'.repeat(30_000);
      const publish = async (more: Record<string, unknown> = {}) => {
        const { status, json } = await rig!.operator('POST', '/events', {
          type: 'repo:push',
          context: 'acme',
          payload: { n: 1, pad },
          ...more,
        });
        if (status === 202) acknowledged.push(json.id);
        return { status, code: json.code as string };
      };
      const refused = await until(async () => {
        const answer = await publish();
        return answer.status !== 202 && answer;
      }, 'a publish to be refused');
      const idempotencyKey = 'asked-while-full';
      const keyed = await publish({ idempotencyKey });
      for (const answer of [refused, keyed])
        if (answer.status < 500 || answer.code !== code)
          faults.push(`publish answered ${answer.status} ${answer.code}, not 5xx ${code}`);

      // The attempt under way ends, and cannot be recorded: nothing more may start.
      await rig!.behave('addon', {});
      await sleep(2_000);
      await rig!.fence();
      const sentWhileFull = (await rig!.counts('addon')).received;
      expect((await fetch(`${rig!.url}/healthz`)).status).to.equal(200);
      await sleep(1_000);
      await rig!.fence();
      const sentLater = (await rig!.counts('addon')).received - sentWhileFull;
      if (sentLater > 0) faults.push(`${sentLater} sent while nothing could be recorded`);

      free(rig!);
      const after = await until(async () => {
        const answer = await publish({ idempotencyKey });
        return answer.status === 202 && acknowledged.at(-1);
      }, 'publish to work again');
      acknowledged.push(before.id);
      await rig!.untilSettled(20_000);
      await rig!.fence();
      const events = new Set(rig!.received().map(({ eventId }) => eventId));
      expect([...events].sort(), 'what came is what was acknowledged').to.deep.equal(
        [...new Set(acknowledged)].sort(),
      );
      expect(rig!.received().filter(({ eventId }) => eventId === after)).to.have.length(1);
      await expectEveryAttemptRecorded(rig!);
      expect(faults).to.deep.equal([]);
    });
  });
}
