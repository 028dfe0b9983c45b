/**
 * A peer that is asked again and again and says nothing: its machine has no power, a cable is out, or a router has forgotten
 * the connection. TCP itself gives up only after a quarter of an hour when something sent was not acknowledged, and until
 * then nothing would connect anew.
 */

/** Never sooner than this: a peer that writes a large snapshot says nothing meanwhile, and is better left to it. */
const LEAST_MS = 3_000;
const SUSPECTS = 5;

/** How long a peer that answers every heartbeat may be silent before its connection is given up. */
export function silenceLimitMs(suspectMs: number): number {
  return Math.max(LEAST_MS, SUSPECTS * suspectMs);
}

export class Silence {
  readonly #limitMs: number;
  #heardMs: number;
  #isOver = false;

  constructor(limitMs: number, nowMs: number) {
    this.#limitMs = limitMs;
    this.#heardMs = nowMs;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#isOver = false;
  }

  /**
   * To be asked regularly. True the second time in a row that it has been too long: after a pause of this process what the
   * peer said meanwhile waits to be read, and is read before it is asked again.
   */
  isTooLong(nowMs: number): boolean {
    const before = this.#isOver;
    this.#isOver = nowMs - this.#heardMs > this.#limitMs;
    return before && this.#isOver;
  }
}
