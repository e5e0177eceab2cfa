// Imports point one way: cli → http → host → {descriptor, lifecycle, oauth, webhooks} → platform → store → core.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect } from 'chai';

const LAYERS = [
  ['cli'],
  ['.'],
  ['http'],
  ['host'],
  ['descriptor', 'lifecycle', 'oauth', 'webhooks'],
  ['platform'],
  ['store'],
  ['core'],
];

/** create-host.ts, what its threads run, and index.ts stand above everything but the command line. */
const folderOf = (file: string) => (file.includes('/') ? file.split('/')[0]! : '.');
const levelOf = (folder: string) => LAYERS.findIndex((layer) => layer.includes(folder));

function importsOf(file: string): string[] {
  const text = readFileSync(join('src', file), 'utf8');
  return [...text.matchAll(/^(?:import|export) [^;]*?from '(\.[^']+)'/gms)].map((match) =>
    relative('src', join('src', dirname(file), match[1]!)),
  );
}

const files = (readdirSync('src', { recursive: true }) as string[]).filter((name) =>
  name.endsWith('.ts'),
);

describe('imports in src', () => {
  it('point down only, and subjects do not know each other', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const from = folderOf(file);
      for (const imported of importsOf(file)) {
        const to = folderOf(imported);
        const isOk =
          from === to || (from === 'addon' ? false : to !== 'addon' && levelOf(from) < levelOf(to));
        if (!isOk) wrong.push(`${file} imports ${imported}: ${from} may not know ${to}`);
      }
    }
    expect(wrong).to.deep.equal([]);
  });

  for (const folder of ['store/sqlite/', 'store/postgres/']) {
    it(`reach ${folder} from open-store.ts only`, () => {
      const reaching = files.filter(
        (file) =>
          !file.startsWith(folder) && importsOf(file).some((name) => name.startsWith(folder)),
      );
      expect(reaching).to.deep.equal(['store/open-store.ts']);
    });
  }

  it('form no cycle between files', () => {
    const graph = new Map(files.map((file) => [file, importsOf(file)]));
    const done = new Set<string>();
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file))
        throw new Error(`a cycle: ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
      if (done.has(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it('keep mortise/addon free of the host', () => {
    for (const file of files.filter((name) => name.startsWith('addon/'))) {
      for (const imported of importsOf(file)) expect(imported, file).to.match(/^addon\//);
    }
  });

  it('of the examples are the package’s public doors only', () => {
    const examples = (readdirSync('examples', { recursive: true }) as string[]).filter((name) =>
      name.endsWith('.ts'),
    );
    for (const name of examples) {
      expect(readFileSync(join('examples', name), 'utf8'), name).not.to.match(/from '[^']*\/src\//);
    }
  });
});
