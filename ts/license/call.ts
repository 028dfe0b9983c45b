/** What a request is executed with. One object serves all requests of all batches: nothing is allocated per request. */
import type { Answer } from "./answer.js";
import type { State } from "./state.js";

export interface Call {
  readonly state: State;
  readonly out: Answer;
  /** header and records of the batch, and the word at which the request record begins */
  readonly words: Uint32Array;
  readonly at: number;
  /** the whole batch, and where in it its blob area begins */
  readonly batch: Buffer;
  readonly blobArea: number;
  /** upstreams that the leader reaches, bit i-1 for upstream i */
  readonly reached: number;
  /** slot of the session, -1 = none is open */
  readonly session: number;
  /** the record's kind and request number */
  readonly kind: number;
  readonly request: number;
}
