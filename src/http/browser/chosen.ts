// Ticked boxes: a form is flat, so each has a name of its own, `scope.issue`.
export function chosen(form: ReadonlyMap<string, string>, prefix: string): string[] {
  return [...form.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));
}
