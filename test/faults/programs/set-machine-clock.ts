export const MACHINE_CLOCK = 'machine clock';

/** How far the clock of this program's machine is off, from now on. */
export function setMachineClock(offsetMs: number): void {
  process.emit(MACHINE_CLOCK as never, offsetMs as never);
}
