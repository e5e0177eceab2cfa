// What the thread of checkpoints.ts runs: copies the log into the file until little is left of it.
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { FEW_PAGES, pagesLeft } from './wal-pages.ts';

const port = parentPort!;
const db = new Database(workerData as string, { fileMustExist: true });
db.pragma('synchronous = NORMAL');
/** What is written while one goes on is left for the next, and is less each time. */
const MOST_PASSES = 4;

port.on('message', (message: 'copy' | 'close') => {
  if (message === 'close') {
    db.close();
    port.close();
    return;
  }
  for (let i = 0; i < MOST_PASSES && pagesLeft(db).left > FEW_PAGES; i++) {
    db.pragma('wal_checkpoint(PASSIVE)');
  }
  port.postMessage('copied');
});
