/**
 * How long the client may believe in its session (protocol.md rule 10), and when it asks again. A session lives at
 * least its time-out past the moment its last request was ordered, which is never before that request was first sent.
 */

/** Between heartbeats for a server that names neither an interval nor a time-out. */
const DEFAULT_HEARTBEAT_MS = 1_000;

/**
 * How long a client believes in a session of this time-out: a little less, since its clock may be slower than the
 * server's. Clocks whose rates differ by up to 0.2 % are allowed for.
 */
export function leaseOf(timeoutMs: number): number {
  return timeoutMs - Math.ceil(timeoutMs / 500);
}

export class Lease {
  #untilMs = Number.NEGATIVE_INFINITY;
  #dueMs = Number.NEGATIVE_INFINITY;
  #latestMs = Number.NEGATIVE_INFINITY;
  #lost = false;

  /** When the handles stop counting as held if nothing is answered before. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** When the next heartbeat is to be sent. */
  get dueMs(): number {
    return this.#dueMs;
  }

  get lost(): boolean {
    return this.#lost;
  }

  /**
   * A request of the session was answered; `firstSentMs` is when it left this client for the first time. True when
   * this restores a lost lease.
   */
  answered(
    answer: { readonly firstSentMs: number; readonly timeoutMs: number; readonly heartbeatMs: number },
    nowMs: number,
    random: () => number,
  ): boolean {
    this.#untilMs = Math.max(this.#untilMs, answer.firstSentMs + answer.timeoutMs);
    if (answer.firstSentMs >= this.#latestMs) {
      this.#latestMs = answer.firstSentMs;
      const interval = answer.heartbeatMs || answer.timeoutMs / 4 || DEFAULT_HEARTBEAT_MS;
      // Never later than asked. After a takeover thousands were answered in one moment: half an interval draws them apart
      // at once, and they stay apart.
      this.#dueMs = answer.firstSentMs + interval * (0.5 + 0.5 * random());
    }
    if (!this.#lost || nowMs >= this.#untilMs) return false;
    this.#lost = false;
    return true;
  }

  /** True once when the lease has run out unanswered. */
  expire(nowMs: number): boolean {
    if (this.#lost || nowMs < this.#untilMs) return false;
    this.#lost = true;
    return true;
  }
}
