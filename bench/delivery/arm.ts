// What every way of delivering is told and asked. Each is a process of its own, in arms/ or in ../peers.
import type { BenchAddon } from './addons.ts';

/** Requests, jobs or publishers under way at once, for everybody. */
export const CONCURRENCY = 64;
/** Among how many origins they are shared out: no more than 16 connections to one. */
export const ORIGINS = 4;

export interface ArmSettings {
  addons: BenchAddon[];
  /** Granted to every add-on of Mortise; the others send all of every payload. Default: all that the payload needs. */
  scopes?: string[];
  /** A folder of its own for what it keeps on disk. */
  folder: string;
  /** What Mortise keeps it in; the others have no choice. */
  store?: 'sqlite' | 'postgres';
  /** Of a PostgreSQL that runs already. Default: one of its own. */
  url?: string;
  /** The add-ons are in the database: another replica has installed them. */
  areInstalled?: boolean;
}

/** Asked as `run`. */
export interface Load {
  events: number;
  /** How many add-ons each event concerns: one of them in turn, or all. */
  fanOut: 'one' | 'all';
}

/** Answered when everything is published. */
export interface Loaded {
  /** By monotonicMs(). */
  startedAt: number;
}
