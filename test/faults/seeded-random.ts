// Random numbers that can be had again: a failed run prints its seed, MORTISE_FAULT_SEED repeats it.

/** [0, 1), by mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function chosenSeed(): number {
  const text = process.env.MORTISE_FAULT_SEED;
  return text ? Number(text) : Math.floor(Math.random() * 2 ** 31);
}
