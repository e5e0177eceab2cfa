// Where installations are, as far as something was sent to them; bounded.

const MOST_KNOWN = 20_000;

export class Origins {
  readonly #known = new Map<string, string>();

  of(installationId: string): string | undefined {
    return this.#known.get(installationId);
  }

  note(installationId: string, origin: string): void {
    if (this.#known.get(installationId) === origin) return;
    if (this.#known.size >= MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(installationId, origin);
  }
}
