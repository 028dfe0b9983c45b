/**
 * What goes into the client's core and what comes out of it. All times are milliseconds of one monotonic clock that
 * the driver reads; nothing in here is a wall clock.
 */
import type { Request } from "../wire/request.js";
import type { Result } from "../wire/result.js";
import type { ProtocolRules } from "../wire/rules.js";

/** The names that a session is opened with; shown in lists and logs, bound to by access rules. */
export interface SessionNames {
  readonly host: string;
  readonly user: string;
  readonly station: string;
  readonly program: string;
  /** version of this library, which a license may ask for */
  readonly runtimeVersion: string;
}

export interface CoreOptions {
  /** how many servers there are to choose from; they are numbered from 0 */
  readonly servers: number;
  readonly names: SessionNames;
  /** wanted session time-out, 0 = the server's default; the server clamps it */
  readonly sessionTimeoutMs: number;
  /** an open connection that owes an answer and says nothing for so long is given up */
  readonly suspectMs: number;
  /** how long `close` tries to tell the server before it gives up: the seats are then free after the time-out */
  readonly closeTimeoutMs: number;
  /** uniform in [0, 1): jitter */
  readonly random: () => number;
  /** unpredictable bytes: whoever knows a session's bytes is the session */
  readonly randomBytes: (count: number) => Uint8Array;
  /** for the simulator alone; all rules hold where it is left out */
  readonly rules?: Pick<ProtocolRules, "leaseFromFirstSending" | "leaseAllowsForDrift">;
}

/** The fields of a request that a caller chooses, and its blob; session, numbers and marks are the core's. */
export type CallFields = Omit<Request, "session" | "request" | "answeredBelow" | "mark" | "markProof"> & {
  readonly blob?: Uint8Array;
};

/** One request. Of kind openSession only as the first: it is settled when the session is open. */
export interface Call {
  /** chosen by the driver, positive, never reused */
  readonly id: number;
  readonly fields: CallFields;
  /** when the caller stops waiting */
  readonly deadlineMs: number;
}

/** Why a call was not carried out, as data: the driver makes the error of it. */
export type Fault =
  /** `reason` is the status name, `text` the server's sentence */
  | { readonly code: "ERR_TMR_REFUSED"; readonly reason: string; readonly text: string }
  | { readonly code: "ERR_TMR_TIMEOUT" | "ERR_TMR_CONNECT" | "ERR_TMR_CLOSED"; readonly text: string };

/** A carried result with its blob (a copy of its own). */
export interface Answer {
  readonly result: Result;
  readonly blob: Buffer;
}

export type Outcome = { readonly answer: Answer } | { readonly fault: Fault };

/** What happens to a session besides its answers. */
export type SessionNotice =
  | { readonly type: "handle-lost"; readonly handle: number }
  /** another connection serves the session now; handles are as before */
  | { readonly type: "reconnected"; readonly server: number }
  /** nothing was answered for a session time-out: the seats may be gone, so handles do not count as held */
  | { readonly type: "lease-lost" }
  /** the server confirmed the session: handles that were not reported lost are held after all */
  | { readonly type: "lease-restored" };

export type CoreEvent =
  /** only queues: the next event, usually a tick in the same turn, sends all that was queued in one packet */
  | { readonly type: "call"; readonly call: Call }
  /** the caller lost interest; nothing more is said about this call */
  | { readonly type: "abandon"; readonly id: number }
  | { readonly type: "connected"; readonly link: number }
  /** a connection ended or could not be made */
  | { readonly type: "disconnected"; readonly link: number; readonly why: string }
  /** one decrypted message of a connection */
  | { readonly type: "message"; readonly link: number; readonly message: Uint8Array }
  | { readonly type: "tick" }
  | { readonly type: "close" };

export type CoreAction =
  | { readonly type: "connect"; readonly link: number; readonly server: number }
  /** give up a connection or the making of it; no `disconnected` is expected for it */
  | { readonly type: "disconnect"; readonly link: number }
  | { readonly type: "send"; readonly link: number; readonly message: Buffer }
  | { readonly type: "settle"; readonly id: number; readonly outcome: Outcome }
  | { readonly type: "notice"; readonly notice: SessionNotice }
  /** tick at this time, null: no need; replaces what was set before */
  | { readonly type: "timer"; readonly atMs: number | null }
  /** after `close`: nothing will happen any more */
  | { readonly type: "closed" };
