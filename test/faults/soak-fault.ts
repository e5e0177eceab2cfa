/** Drawn as often as its weight. */
export type Fault = [name: string, weight: number, happen: () => Promise<void>];
