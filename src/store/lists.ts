// Lists as they are kept: JSON, and nothing for no list at all.

export function readList(json: string | null): string[] | null {
  return json === null ? null : JSON.parse(json);
}

export function writeList(list: string[] | null): string | null {
  return list === null ? null : JSON.stringify(list);
}
