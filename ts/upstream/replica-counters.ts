/** What a replica counts since it started. */

export interface ReplicaCounters {
  /** bytes that are no message of a TMR server to an upstream, or a batch that cannot be one */
  readonly malformed: number;
  /** well-formed messages that no honest leader sends, e.g. of an epoch never promised */
  readonly unexpected: number;
  readonly appends: number;
  /** durable writes that these took: appends that wait together share one */
  readonly appendWrites: number;
  /** appends that were here before */
  readonly repeated: number;
  readonly refused: number;
}

/** All zero, to be counted up. */
export function noCounts(): { -readonly [K in keyof ReplicaCounters]: ReplicaCounters[K] } {
  return { malformed: 0, unexpected: 0, appends: 0, appendWrites: 0, repeated: 0, refused: 0 };
}
