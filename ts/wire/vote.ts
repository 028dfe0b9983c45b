/**
 * The body of a vote: an upstream's answer to one batch. 128 bytes of header, then the result records of the batch
 * in the batch's order, then their blob area. A vote without records acknowledges the position and says nothing of
 * results (the upstream no longer keeps them).
 */
import { putU64 } from "./bytes.js";
import { MESSAGE_HEADER_BYTES, MessageType, newMessageToFill } from "./message.js";

export const VOTE_HEADER_BYTES = 128;

/** Offsets within the body. */
export const VoteField = {
  /** u64 */
  epoch: 0,
  /** u64 */
  position: 8,
  /** 16 bytes */
  incarnation: 16,
  /** 32 bytes: chain digest after the batch */
  digest: 32,
  /** 32 bytes: digest of the license state after the batch */
  stateDigest: 64,
  /** u64 the upstream's clock, ms since 1970 */
  clockMs: 96,
  /** u8 1 to 3 */
  upstream: 104,
  /** reserved up to 128 */
  tail: 105,
} as const;

export interface VoteHeader {
  readonly epoch: number;
  readonly position: number;
  readonly incarnation: Uint8Array;
  readonly digest: Uint8Array;
  readonly stateDigest: Uint8Array;
  readonly clockMs: number;
  readonly upstream: number;
}

/** Builds a vote message. `records` and `blobs` are what the license state machine returned, or empty. */
export function voteOf(header: VoteHeader, records: Uint8Array, blobs: Uint8Array): Buffer {
  const bodyBytes = VOTE_HEADER_BYTES + records.length + blobs.length;
  const message = newMessageToFill(MessageType.vote, bodyBytes, records.length / 128, blobs.length);
  const at = MESSAGE_HEADER_BYTES;
  putU64(message, at + VoteField.epoch, header.epoch);
  putU64(message, at + VoteField.position, header.position);
  message.set(header.incarnation, at + VoteField.incarnation);
  message.set(header.digest, at + VoteField.digest);
  message.set(header.stateDigest, at + VoteField.stateDigest);
  putU64(message, at + VoteField.clockMs, header.clockMs);
  message[at + VoteField.upstream] = header.upstream;
  message.fill(0, at + VoteField.tail, at + VOTE_HEADER_BYTES);
  message.set(records, at + VOTE_HEADER_BYTES);
  message.set(blobs, at + VOTE_HEADER_BYTES + records.length);
  return message;
}
