/** How a handle lies in its table: sixteen words, one cache line. */

/** One row, in words. */
export const HandleRow = {
  /** u64 of the present or, in a free slot, of the next handle; beyond the last one: retired */
  generation: 0,
  /** the session's slot, -1 = of none */
  session: 2,
  pool: 3,
  seats: 4,
  /** u8 access mode, u8 {@link HandleState} */
  mode: 5,
  /** of the same session, -1 = none */
  next: 6,
  previous: 7,
  /** of the same purpose, -1 = none */
  nextPeer: 8,
  previousPeer: 9,
  /** u64 calendar time */
  since: 10,
  /** u64 log time, 0 = none */
  deadline: 12,
  rule: 14,
  featureMap: 15,
  size: 16,
} as const;

/** What a slot is in use for. */
export const HandleState = {
  free: 0,
  /** takes its seats */
  held: 1,
  /** waits for its seats and takes none */
  queued: 2,
  /** was released, its seats stay taken for a while; of no session */
  lingering: 3,
  /** takes its seats offline; of no session */
  borrowed: 4,
  /** taken away by an administrator; kept until its client has asked */
  cancelled: 5,
  /** waited until its deadline; kept until its client has asked */
  overdue: 6,
  /** waited until the access list did not allow it any more; kept until its client has asked */
  denied: 7,
  // Waited until the license changed so that it can never be granted; kept until its client has asked.
  /** the license has another named user */
  otherUser: 8,
  /** the license lacks feature bits */
  featureGone: 9,
  /** the license needs a later client library */
  outdated: 10,
  /** the license is there without the module */
  moduleGone: 11,
  /** the license has fewer seats than it waits for */
  tooMany: 12,
  /** the license is for programs on its server's machine */
  notLocal: 13,
} as const;

/** The highest {@link HandleState}. */
export const LAST_HANDLE_STATE = HandleState.notLocal;

/** True for a handle that takes its seats. */
export function takesSeats(state: number): boolean {
  return state === HandleState.held || state === HandleState.lingering || state === HandleState.borrowed;
}

/** True for a handle that is there only to tell its client that it was lost. */
export function isLost(state: number): boolean {
  return state >= HandleState.cancelled;
}

/** True for a handle of an open session. */
export function isOfSession(state: number): boolean {
  return state === HandleState.held || state === HandleState.queued || isLost(state);
}
