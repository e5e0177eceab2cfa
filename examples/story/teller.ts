// Tells the story in the terminal: a step, what really happened, how long it took.
const isColoured = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code: number, text: string) =>
  isColoured ? `\u001b[${code}m${text}\u001b[0m` : text;

export class Teller {
  #step = 0;

  say(line = ''): void {
    console.log(line);
  }

  /** Runs one step. A failure is told with the step it happened in, and thrown on. */
  async step(
    title: string,
    run: (fact: (name: string, value: unknown) => void) => Promise<void>,
  ): Promise<void> {
    const number = ++this.#step;
    console.log(`\n${paint(1, `${number}. ${title}`)}`);
    const started = performance.now();
    try {
      await run((name, value) => console.log(`   ${paint(2, name.padEnd(11))} ${String(value)}`));
    } catch (error) {
      console.log(`   ${paint(31, '✗ failed')}   ${(error as Error).message}`);
      throw new StepFailed(number, title);
    }
    console.log(`   ${paint(32, '✓')} ${Math.round(performance.now() - started)} ms`);
  }
}

export class StepFailed extends Error {
  constructor(number: number, title: string) {
    super(`step ${number} failed: ${title}`);
  }
}
