// Text from elsewhere, kept for people to read. PostgreSQL cannot keep U+0000.

export function withoutNul(text: string | null): string | null {
  return text === null ? null : text.replaceAll('\u0000', '\uFFFD');
}
