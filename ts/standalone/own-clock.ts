/**
 * The two times of a batch where one server decides alone (protocol.md rule 10). Log time advances with the monotonic clock
 * while the server runs: it stands still while nobody could have been served. Calendar time is the wall clock, never
 * going back.
 */

/** The most that one step counts: a longer one means that the process stood still, and nobody was served meanwhile. */
const MAX_STEP_MS = 500;

export class OwnClock {
  #logMs: number;
  #calendarMs: number;
  #advancedAtMs: number | null = null;

  /** Goes on from what the newest batch says. */
  constructor(logMs: number, calendarMs: number) {
    this.#logMs = logMs;
    this.#calendarMs = calendarMs;
  }

  /** To be called at every tick and before every batch. */
  advance(nowMs: number, wallMs: number): void {
    this.#advancedAtMs ??= nowMs;
    // Whole milliseconds, and the remainder is carried on: many short steps must not lose time.
    const passedMs = Math.max(0, Math.floor(nowMs - this.#advancedAtMs));
    this.#logMs += Math.min(passedMs, MAX_STEP_MS);
    this.#advancedAtMs += passedMs;
    this.#calendarMs = Math.max(this.#calendarMs, Math.floor(wallMs));
  }

  get logMs(): number {
    return this.#logMs;
  }

  get calendarMs(): number {
    return this.#calendarMs;
  }
}
