/**
 * The votes for the newest positions, so that a repeated append is answered with the same bytes (protocol.md
 * rule 16). Older positions keep their state digest alone: enough for a vote without records.
 */
import { putU64 } from "../wire/bytes.js";
import { MESSAGE_HEADER_BYTES } from "../wire/message.js";
import { VoteField } from "../wire/vote.js";

/** Positions whose results are kept, where nothing else is said. */
export const VOTES_KEPT = 256;
/** Bytes of votes kept; beyond it the oldest go, down to the newest one. */
const MAX_VOTE_BYTES = 64 * 1024 * 1024;
/** Positions whose state digest is kept. */
export const STATE_DIGESTS_KEPT = 8192;
const DIGEST_BYTES = 32;

export class VoteRing {
  readonly #kept: number;
  readonly #votes = new Map<number, Buffer>();
  readonly #stateDigests = Buffer.alloc(STATE_DIGESTS_KEPT * DIGEST_BYTES);
  #bytes = 0;
  #first = 1;
  #last = 0;

  /** `kept`: positions whose results are kept. */
  constructor(kept = VOTES_KEPT) {
    this.#kept = kept;
  }

  /** Forgets everything; the next position put is `position` + 1, whose state digest may be known. */
  reset(position: number, stateDigest: Uint8Array): void {
    this.#votes.clear();
    this.#bytes = 0;
    this.#first = position;
    this.#last = position;
    this.#keep(position, stateDigest);
  }

  /** Keeps the vote message for the position after the last one. It is never changed, only copied. */
  put(position: number, vote: Buffer, stateDigest: Uint8Array): void {
    this.#votes.set(position, vote);
    this.#bytes += vote.length;
    this.#last = position;
    this.#first = Math.max(this.#first, position - STATE_DIGESTS_KEPT + 1);
    this.#keep(position, stateDigest);
    for (const [oldest, { length }] of this.#votes) {
      if (oldest === position || (this.#votes.size <= this.#kept && this.#bytes <= MAX_VOTE_BYTES)) break;
      this.#votes.delete(oldest);
      this.#bytes -= length;
    }
  }

  /** A copy of the vote for `position` under `epoch` at `clockMs`, or null when it is no longer kept. */
  vote(position: number, epoch: number, clockMs: number): Buffer | null {
    const kept = this.#votes.get(position);
    if (kept === undefined) return null;
    const vote = Buffer.from(kept);
    putU64(vote, MESSAGE_HEADER_BYTES + VoteField.epoch, epoch);
    putU64(vote, MESSAGE_HEADER_BYTES + VoteField.clockMs, clockMs);
    return vote;
  }

  /** 32 bytes, or null when it is no longer kept. */
  stateDigest(position: number): Buffer | null {
    if (position < this.#first || position > this.#last) return null;
    const at = (position % STATE_DIGESTS_KEPT) * DIGEST_BYTES;
    return this.#stateDigests.subarray(at, at + DIGEST_BYTES);
  }

  #keep(position: number, stateDigest: Uint8Array): void {
    this.#stateDigests.set(stateDigest, (position % STATE_DIGESTS_KEPT) * DIGEST_BYTES);
  }
}
