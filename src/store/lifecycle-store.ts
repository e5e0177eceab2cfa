// Lifecycle calls, and the keys that sign them.
import type { ExchangeRecord, InstallKeyRow, LifecycleCall } from './rows.ts';

export interface InstallKeyStore {
  /** Newest first; retired keys stay as long as a token they signed may live. */
  list(): Promise<InstallKeyRow[]>;
  /** Adds the key unless there is one already (two processes may start together); returns the one in use. */
  addFirst(key: InstallKeyRow): Promise<InstallKeyRow>;
}

/** Lifecycle calls are made one at a time per installation, whichever process makes them. */
export interface LifecycleStore {
  /** False if a call to this installation is under way and its hold has not run out. */
  hold(installationId: string, holder: string, now: number, until: number): Promise<boolean>;
  release(installationId: string, holder: string): Promise<void>;
  /** The oldest call owed to each installation, if it is due. */
  due(now: number, limit: number): Promise<LifecycleCall[]>;
  nextDueAt(): Promise<number | undefined>;
  /** Undefined when it was superseded meanwhile. */
  findOwed(id: string): Promise<LifecycleCall | undefined>;
  /** Ends the call, or moves it; the exchange is kept either way. */
  record(
    callId: string,
    result: { state: 'done' | 'failed' } | { state: 'owed'; dueAt: number },
    exchange: ExchangeRecord,
  ): Promise<void>;
  /** The add-on declares no address for it any more: nothing is owed. */
  drop(callId: string): Promise<void>;
  /** An exchange that belongs to no owed call: the install handshake. */
  addExchange(exchange: ExchangeRecord): Promise<void>;
  exchanges(installationId: string, limit: number): Promise<ExchangeRecord[]>;
}
