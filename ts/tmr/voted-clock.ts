/**
 * The two times of a batch (protocol.md rule 10). Log time advances with the server's monotonic clock, and only while
 * there is a quorum, so that no lease runs out during an outage and no wall clock can move it. Calendar time is the
 * median of the three upstream clocks and never goes back.
 */
import { allRules, type ProtocolRules } from "../wire/rules.js";
import type { UpstreamId } from "./choose.js";

/**
 * The most that one step counts. A longer one means that this process stood still: whether there was a quorum meanwhile
 * it cannot know, and sessions that live a little longer do no harm.
 */
const MAX_STEP_MS = 500;

export class VotedClock {
  readonly #rules: ProtocolRules;
  #logMs = 0;
  #calendarMs = 0;
  #advancedAtMs: number | null = null;
  /** upstream clock minus own monotonic clock, ms */
  readonly #offsetsMs: (number | undefined)[] = [undefined, undefined, undefined];

  constructor(rules: ProtocolRules = allRules) {
    this.#rules = rules;
  }

  /** Starts from what the chosen log's last entry said. */
  start(logMs: number, calendarMs: number): void {
    this.#logMs = this.#rules.logTimeContinues ? logMs : 0;
    this.#calendarMs = calendarMs;
    this.#advancedAtMs = null;
  }

  /** An upstream said its clock in a message that arrived at `nowMs`. */
  sample(upstream: UpstreamId, clockMs: number, nowMs: number): void {
    if (clockMs > 0) this.#offsetsMs[upstream - 1] = clockMs - nowMs;
  }

  /** To be called at every tick and before every batch: time passes only from one call with quorum to the next. */
  advance(nowMs: number, hasQuorum: boolean): void {
    if (!this.#rules.leasesOnLogTime) {
      this.#logMs = Math.max(this.#logMs, this.calendarMs(nowMs));
    } else if ((hasQuorum || !this.#rules.timeNeedsQuorum) && this.#advancedAtMs !== null) {
      // Whole milliseconds, and the remainder is carried on: many short steps must not lose time.
      const passedMs = Math.max(0, Math.floor(nowMs - this.#advancedAtMs));
      this.#logMs += Math.min(passedMs, MAX_STEP_MS);
      this.#advancedAtMs += passedMs;
    } else {
      this.#advancedAtMs = hasQuorum || !this.#rules.timeNeedsQuorum ? nowMs : null;
    }
  }

  get logMs(): number {
    return this.#logMs;
  }

  /**
   * Median of the upstream clocks at `nowMs`; of two the earlier, since a clock that is ahead would let licenses
   * begin too soon and expire too soon. Clocks of upstreams that are away go on by their last known offset.
   */
  calendarMs(nowMs: number): number {
    const offset = this.#offsetMs();
    if (offset !== null) this.#calendarMs = Math.max(this.#calendarMs, Math.floor(offset + nowMs));
    return this.#calendarMs;
  }

  #offsetMs(): number | null {
    const [a, b, c] = this.#offsetsMs;
    if (a === undefined || b === undefined || c === undefined) {
      const known = this.#offsetsMs.filter((offset) => offset !== undefined);
      return known.length === 0 ? null : Math.min(...known);
    }
    if (!this.#rules.calendarMedian) return Math.max(a, b, c);
    return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
  }
}
