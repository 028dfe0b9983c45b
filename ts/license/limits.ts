/**
 * Bounds of the license state machine. They decide results, so they are part of the rules: every upstream of a system
 * must have the same ones.
 */

/** A session keeps at most this many results that its client has not acknowledged. */
export const RESULT_WINDOW = 256;
/** Default of `durationMs` 0; a TMR server writes its own clamped value before it orders the request. */
export const DEFAULT_TIMEOUT_MS = 120_000;
/** The longest session time-out: the result record shows it as u32. */
export const MAX_TIMEOUT_MS = 0xffff_ffff;
/** The longest time that an access may wait. */
export const MAX_WAIT_MS = 0xffff_ffff;
/** The longest sentence of a refusal, UTF-8. */
export const MAX_SENTENCE_BYTES = 200;
/** The longest holding statement, signature included: a batch that carries one has room for requests too. */
export const MAX_STATEMENT_BYTES = 3 * 1024 * 1024;
/**
 * Lists of one batch fill at most this much of its blob area; the next one is answered `busy`. Together with one
 * sentence for each of 1,024 records the answer to a batch stays below 4 MiB.
 */
export const MAX_BATCH_LIST_BYTES = 3 * 1024 * 1024 + 512 * 1024;

/** Limits on what the state may hold. Tests make them small; production uses {@link LIMITS}. */
export interface LicenseLimits {
  readonly maxSessions: number;
  /** below 2^18, see handles.ts */
  readonly maxHandles: number;
  readonly maxHandlesPerSession: number;
  /** over all sessions; beyond it a request that would store a result is answered `busy` */
  readonly maxStoredResults: number;
  /** closed or refused sessions whose last result is still repeated */
  readonly maxEndedSessions: number;
  /** handles taken away whose clients have not given them back yet; the oldest is forgotten first */
  readonly maxLostHandles: number;
  /** licenses that are gone and whose units, first use, named user or user data are remembered; the longest gone goes first */
  readonly maxRemembered: number;
  /** events of license tracking that wait to be written down; the oldest go beyond it */
  readonly maxEventBytes: number;
  /** licenses that are borrowed at a time */
  readonly maxBorrowings: number;
  /** handles that wait for one license; beyond it an access is refused as if it did not wait */
  readonly maxWaiting: number;
}

export const LIMITS: LicenseLimits = {
  maxSessions: 20_000,
  maxHandles: 200_000,
  maxHandlesPerSession: 65_536,
  maxStoredResults: 1_048_576,
  maxEndedSessions: 16_384,
  maxLostHandles: 4_096,
  maxRemembered: 65_536,
  maxEventBytes: 16_777_216,
  maxBorrowings: 16_384,
  maxWaiting: 4_096,
};
