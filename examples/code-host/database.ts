// The product's own tables, in Mortise's file, on a handle of its own: what it records and the event that tells of
// it commit together.
import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';

export type ProductDatabase = Database.Database;

export function openProductDatabase(path: string): ProductDatabase {
  const db = new Database(path);
  db.pragma('journal_mode = WAL');
  // What host.publish(event, { transaction }) asks for: a committed event must survive power loss.
  db.pragma('synchronous = FULL');
  db.pragma('busy_timeout = 5000');
  db.exec(`
    CREATE TABLE IF NOT EXISTS code_users (
      name TEXT PRIMARY KEY, uuid TEXT NOT NULL, display_name TEXT NOT NULL, email TEXT NOT NULL,
      password_hash BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS code_refs (
      repository TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (repository, name));
    CREATE TABLE IF NOT EXISTS code_pushes (
      id INTEGER PRIMARY KEY, repository TEXT NOT NULL, pusher TEXT NOT NULL, event_id TEXT NOT NULL, at INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS code_statuses (
      repository TEXT NOT NULL, hash TEXT NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, name TEXT NOT NULL,
      description TEXT NOT NULL, url TEXT NOT NULL, created_on TEXT NOT NULL, updated_on TEXT NOT NULL,
      PRIMARY KEY (repository, hash, key));
    CREATE TABLE IF NOT EXISTS code_issues (
      repository TEXT NOT NULL, id INTEGER NOT NULL, title TEXT NOT NULL, content TEXT NOT NULL, state TEXT NOT NULL,
      reporter TEXT NOT NULL, created_on TEXT NOT NULL, PRIMARY KEY (repository, id));
    CREATE TABLE IF NOT EXISTS code_workspaces (name TEXT PRIMARY KEY, display_name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS code_members (
      workspace TEXT NOT NULL, user TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (workspace, user));
    CREATE TABLE IF NOT EXISTS code_repositories (
      full_name TEXT PRIMARY KEY, workspace TEXT NOT NULL, description TEXT NOT NULL, is_private INTEGER NOT NULL,
      has_issues INTEGER NOT NULL, has_wiki INTEGER NOT NULL, created_on TEXT NOT NULL, updated_on TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS code_comments (
      id INTEGER PRIMARY KEY, place TEXT NOT NULL, subject TEXT NOT NULL, content TEXT NOT NULL,
      author TEXT NOT NULL, created_on TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS code_comments_of ON code_comments (place, subject);
    CREATE TABLE IF NOT EXISTS code_wiki_pages (
      repository TEXT NOT NULL, page TEXT NOT NULL, content TEXT NOT NULL, author TEXT NOT NULL,
      updated_on TEXT NOT NULL, PRIMARY KEY (repository, page));
    CREATE TABLE IF NOT EXISTS code_snippets (
      id INTEGER PRIMARY KEY, workspace TEXT NOT NULL, title TEXT NOT NULL, content TEXT NOT NULL,
      is_private INTEGER NOT NULL, owner TEXT NOT NULL, created_on TEXT NOT NULL, updated_on TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS code_pull_requests (
      repository TEXT NOT NULL, id INTEGER NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL,
      source TEXT NOT NULL, destination TEXT NOT NULL, author TEXT NOT NULL, created_on TEXT NOT NULL,
      PRIMARY KEY (repository, id));
  `);
  return db;
}

/** The same name, the same UUID, in Bitbucket's braces. */
export function stableUuid(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return `{${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}}`;
}
