// The platform definition, compiled.
import { existsSync, readFileSync } from 'node:fs';
import { compilePlatform } from '../../platform/compile.ts';
import type { Platform } from '../../platform/platform.ts';
import type { HostOptions } from '../options.ts';
import { invalid, missing } from './faults.ts';

export function readPlatform(platform: HostOptions['platform']): Platform {
  if (typeof platform === 'object' && platform !== null)
    return compilePlatform(JSON.stringify(platform, null, 2));
  if (typeof platform !== 'string' || platform === '') {
    throw missing(
      'platform',
      'a platform definition',
      'Give the path of its JSON file, such as platforms/bitbucket.json.',
    );
  }
  if (!existsSync(platform)) {
    throw invalid(
      'platform',
      `There is no file "${platform}".`,
      'Give the path of a platform definition, such as platforms/bitbucket.json.',
    );
  }
  return compilePlatform(readFileSync(platform, 'utf8'), `platform definition ${platform}`);
}
