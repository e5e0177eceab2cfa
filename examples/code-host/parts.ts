// What the product is made of.
import type { Host } from 'mortise';
import type { ProductDatabase } from './database.ts';
import type { Repositories } from './git.ts';
import type { InstalledHooks } from './installed-hooks.ts';
import type { Payloads } from './payloads.ts';
import type { PushRecorder } from './record-push.ts';

export interface CodeHostParts {
  db: ProductDatabase;
  host: Host;
  repositories: Repositories;
  payloads: Payloads;
  pushes: PushRecorder;
  hooks: InstalledHooks;
}
