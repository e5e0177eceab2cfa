// The webhooks a document declares, under either name, as a list or a single object.

/** @returns each declaration that is an object, with its pointer. */
export function webhooksOf(
  document: Record<string, unknown>,
): { item: Record<string, unknown>; pointer: string }[] {
  const modules = document.modules;
  if (!isObject(modules)) return [];
  return ['webhooks', 'webhook'].flatMap((name) => {
    const value = modules[name];
    if (Array.isArray(value)) {
      return value.flatMap((item, i) =>
        isObject(item) ? [{ item, pointer: `/modules/${name}/${i}` }] : [],
      );
    }
    return isObject(value) ? [{ item: value, pointer: `/modules/${name}` }] : [];
  });
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
