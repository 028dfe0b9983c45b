/** What the replica needs of the license state machine; `LicenseMachine` of ts/license has this shape. */
import type { UpstreamNumber } from "./types.js";

/** The license state after a position of the log. */
export interface LicenseState {
  readonly position: number;
  readonly logMs: number;
  readonly calendarMs: number;
  /** 32 bytes */
  readonly stateDigest: Uint8Array;
  /** Applies the next batch; the answer is valid until the next call. */
  apply(batch: Buffer): { readonly records: Buffer; readonly blobs: Buffer };
  /** Version of the holding statement of this upstream that is in the state, 0 = none. */
  statementVersion(upstream: UpstreamNumber): number;
  /** SHA-256 of its payload. */
  statementDigest(upstream: UpstreamNumber): Uint8Array | null;
  /** The signing key of this upstream that counts now; null: there is no such upstream. */
  signingKey(upstream: UpstreamNumber): Uint8Array | null;
  /** The document of what is borrowed under a handle, null when nothing is. */
  borrowDocument(handle: number): Uint8Array | null;
  snapshot(): Uint8Array;
  /** The snapshot that the last batch asked for by a checkpoint record, else null. */
  readonly checkpoint: Uint8Array | null;
}

/** Makes license states: the empty one of this system, or one from a snapshot. */
export interface LicenseStates {
  create(): LicenseState;
  /** Throws a TmrError when the bytes are not a snapshot of this system. */
  restore(snapshot: Uint8Array): LicenseState;
}
