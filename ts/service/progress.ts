/**
 * Whether work that waits is being done: a server whose loop turns can still be one that serves nobody. A pure machine: what
 * it sees goes in, with the time.
 */

/** What a server has to do and has done, at one moment. */
export interface Work {
  /** Something waits, and everything that is needed for it is there. */
  readonly waits: boolean;
  /** Another number whenever something of it was done. */
  readonly done: number;
}

export class Progress {
  readonly #patienceMs: number;
  #done = 0;
  /** since when the same work waits and nothing is done; null: nothing waits */
  #sinceMs: number | null = null;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** For how long nothing has been done though something waits, ms, once that is longer than patience bears; else null. */
  stuckMs({ waits, done }: Work, nowMs: number): number | null {
    if (!waits) this.#sinceMs = null;
    else if (this.#sinceMs === null || done !== this.#done) this.#sinceMs = nowMs;
    this.#done = done;
    const ms = this.#sinceMs === null ? 0 : nowMs - this.#sinceMs;
    return ms > this.#patienceMs ? ms : null;
  }
}
