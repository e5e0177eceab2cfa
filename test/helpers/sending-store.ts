// A SQLite store that sends to nobody, with two installations that are told of each push, and its file beside it.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Share } from '../../src/store/engine-store.ts';
import type { StoreObserver } from '../../src/store/observer.ts';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { IDLE_SENDER } from './idle-sender.ts';
import { subscribe } from './subscribe.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface SendingStore {
  file: string;
  store: Store;
  share: Share;
  /** Another connection. */
  beside: Database.Database;
}

export async function openSendingStore(observer?: StoreObserver): Promise<SendingStore> {
  const file = join(temporaryFolder(), 'mortise.db');
  const store = openSqlite(file, observer);
  const share = (await store.engine.tryShare())!;
  await share.start(IDLE_SENDER);
  const beside = new Database(file);
  for (const id of ['a', 'b']) subscribe(beside, id);
  return { file, store, share, beside };
}
