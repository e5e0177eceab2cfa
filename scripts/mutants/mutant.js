// A mutant: { name, guards: what promise is broken, file, find, replace, test, grep? }, or with several places to
// change: { name, guards, edits: [{ file, find, replace }], test, grep? }. `find` stands exactly once in its file;
// `grep` is part of the full titles of the tests that must notice.
import fs from 'node:fs';
import path from 'node:path';

function editsOf({ edits, file, find, replace }) {
  return edits ?? [{ file, find, replace }];
}

export function filesOf(mutant) {
  return [...new Set(editsOf(mutant).map(({ file }) => file))];
}

/** @returns the changed text of each file of the mutant */
export function mutated(mutant, root) {
  const texts = new Map();
  for (const { file, find, replace } of editsOf(mutant)) {
    const text = texts.get(file) ?? fs.readFileSync(path.join(root, file), 'utf8');
    texts.set(file, text.split(find).join(replace));
  }
  return texts;
}

/** @returns a sentence for everything in the list that does not fit the project any more */
export function faultsOf(mutants, root) {
  const names = new Set();
  return mutants.flatMap((mutant) => {
    const { name, test } = mutant;
    const faults = editsOf(mutant).flatMap((edit) => faultsOfEdit(edit, root));
    if (names.has(name)) faults.push('the name stands twice');
    names.add(name);
    if (!fs.existsSync(path.join(root, test))) faults.push(`there is no ${test}`);
    return faults.map((fault) => `${name}: ${fault}`);
  });
}

function faultsOfEdit({ file, find, replace }, root) {
  if (!fs.existsSync(path.join(root, file))) return [`there is no ${file}`];
  const count = fs.readFileSync(path.join(root, file), 'utf8').split(find).length - 1;
  return [
    ...(count === 1 ? [] : [`its text stands ${count} times in ${file}, not once: ${find}`]),
    ...(find === replace ? ['it changes nothing'] : []),
  ];
}
