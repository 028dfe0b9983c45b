/**
 * The two times of a batch (protocol.md rule 10). Log time advances with the server's monotonic clock, and only while
 * there is a quorum, so that no lease runs out during an outage and no wall clock can move it. Calendar time is the
 * median of the three upstream clocks and never goes back.
 */
import { allRules, type ProtocolRules } from "../wire/rules.js";
import { type UpstreamId, upstreamIds } from "./choose.js";

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
  readonly #offsetsMs = new Map<UpstreamId, number>();

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
    if (clockMs > 0) this.#offsetsMs.set(upstream, clockMs - nowMs);
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
    const known = upstreamIds.flatMap((id) => this.#offsetsMs.get(id) ?? []).sort((a, b) => a - b);
    const median = this.#rules.calendarMedian ? 1 : 2;
    const offset = known.length === 3 ? known[median] : known[0];
    if (offset !== undefined) this.#calendarMs = Math.max(this.#calendarMs, Math.floor(offset + nowMs));
    return this.#calendarMs;
  }
}
