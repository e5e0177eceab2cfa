// Fault 15: a database that can be read, and written no further, of either store.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { queryOnce } from '../helpers/postgres-databases.ts';
import { startPostgres, urlWith } from '../helpers/postgres-server.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { expectEveryAttemptRecorded, Rig, sleep } from './rig.ts';

interface Limited {
  /** Default: a file in the folder. */
  database?: string;
  /** Leaves next to no room. */
  fill(rig: Rig): void;
  free(rig: Rig): void;
  remove(): void | Promise<void>;
}

const BALLAST = 'ballast';

/** A small file system of its own; only root may mount one. */
function smallDisk(folder: string, options = 'size=16m'): Limited | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    return undefined;
  }
  return {
    fill() {
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(join(folder, BALLAST), Buffer.alloc(bavail * bsize - 64 * 1024));
    },
    free: () => rmSync(join(folder, BALLAST)),
    remove: () => void execFileSync('umount', ['-l', folder]),
  };
}

/** A database of PostgreSQL on such a one; its log, which it cannot do without, is elsewhere. */
async function smallTablespace(folder: string): Promise<Limited | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const server = await startPostgres();
  const owner = execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' }).trim();
  const disk = smallDisk(folder, `size=32m,mode=0700,uid=${owner}`);
  if (!disk) {
    await server.stop();
    return undefined;
  }
  await queryOnce(server.url, `CREATE TABLESPACE small LOCATION '${folder}'`);
  await queryOnce(server.url, 'CREATE DATABASE small TABLESPACE small');
  return {
    ...disk,
    database: urlWith(server.url, (url) => {
      url.pathname = 'small';
    }),
    async remove() {
      await server.stop();
      await disk.remove();
    },
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

const NO_TMPFS = 'tmpfs cannot be mounted here (it takes root)';

const limits: {
  title: string;
  makeLimited: (folder: string) => Limited | undefined | Promise<Limited | undefined>;
  missing: string;
  code: string;
  /** What is full has room for a record here and there: one that is made may be followed by another. */
  hasGaps?: boolean;
}[] = [
  { title: 'a full disk', makeLimited: smallDisk, missing: NO_TMPFS, code: 'store_full' },
  {
    title: 'a full disk of PostgreSQL',
    makeLimited: smallTablespace,
    missing: NO_TMPFS,
    code: 'store_full',
    hasGaps: true,
  },
  {
    title: 'files that may grow no further',
    makeLimited: shortFiles,
    missing: 'prlimit is missing (util-linux)',
    code: 'store_unusable',
  },
];

for (const { title, makeLimited, missing, code, hasGaps } of limits) {
  describe(title, function () {
    this.timeout(60_000);
    let rig: Rig | undefined;
    let limited: Limited | undefined;

    before(async function () {
      const folder = temporaryFolder();
      limited = await makeLimited(folder);
      if (!limited) {
        console.warn(`      NOT TESTED: ${title}. ${missing}.`);
        this.skip();
      }
      this.folder = folder;
    });
    beforeEach(async function () {
      rig = await Rig.open({ jitter: 0, folder: this.folder, database: limited!.database });
      await rig.start();
      await rig.install('addon');
    });
    after(async () => {
      await rig?.close();
      await limited?.remove();
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
      if (sentLater > 0 && !hasGaps)
        faults.push(`${sentLater} sent while nothing could be recorded`);

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
