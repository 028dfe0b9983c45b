/**
 * What is said over the control socket of a server: one JSON line asks, one JSON line answers, then the connection
 * ends. Whoever may open the socket file may command the server; nothing else is asked for.
 */
import { join } from "node:path";
import { type ErrorCode, TmrError } from "../errors.js";
import type { Result } from "../wire/result.js";
import type { ServerRole, UpstreamState } from "../wire/server-status.js";
import type { AdminKind, SystemRecord } from "../wire/system-record.js";

/** A blank upstream that the operator wants to be admitted; `all`: the system is founded anew. */
export type Admitted = 1 | 2 | 3 | "all";

export type ControlRequest =
  | { readonly command: "health" }
  | { readonly command: "take-over" }
  | { readonly command: "switch-over" }
  | { readonly command: "admit"; readonly upstream: Admitted }
  | { readonly command: "resume" }
  | { readonly command: "contexts" }
  | { readonly command: "apply-update"; readonly upstream: 1 | 2 | 3; readonly update: string }
  | { readonly command: "replace"; readonly upstream: 1 | 2 | 3; readonly key: string }
  | ProposeRequest;

/** Has a system record ordered and answers with its voted result. */
export interface ProposeRequest extends Omit<SystemRecord, "kind" | "blob"> {
  readonly command: "propose";
  readonly kind: AdminKind;
  /** base64url */
  readonly blob?: string;
}

/** The answer to `health`. */
export interface Health {
  readonly role: ServerRole;
  /** what the leader is doing: idle, preparing, syncing, active, fenced or stopped */
  readonly phase: string;
  readonly quorum: boolean;
  /** active with a quorum: this server can serve */
  readonly answers: boolean;
  /** what the other twin says that it is; `unknown` while it says nothing, or where there is none */
  readonly peer: string;
  /** states of upstreams 1, 2, 3, as this server sees them */
  readonly upstreams: readonly UpstreamState[];
}

/** The answer to `take-over`, `admit` and `resume`: it has begun, and health says what becomes of it. */
export interface Begun {
  readonly begun: true;
}

/** The answer to `switch-over`: the twin is active. */
export interface Done {
  readonly done: true;
}

/** The answer to `propose`. A refusal is a result too: its sentence is the blob. */
export interface ProposedAnswer {
  /** name of the status */
  readonly status: string;
  readonly result: ShownResult;
  /** base64url */
  readonly blob: string;
}

/** What an upstream says of its containers, and how it stands. */
export interface ShownContext {
  readonly upstream: 1 | 2 | 3;
  /** compact JWS; empty with a fault */
  readonly context: string;
  /** why there is none */
  readonly fault: string;
  /** it votes, and what its containers hold is stated and carried */
  readonly counts: boolean;
}

/** The answer to `contexts`. */
export interface ContextsAnswer {
  readonly contexts: readonly ShownContext[];
}

/** The answer to `apply-update`: it is in the upstream's container; `contexts` says when it counts. */
export interface AppliedAnswer {
  readonly outcome: "applied" | "there";
}

/** What of a result is told: who asked, and proofs that go to clients, are left out. */
export type ShownResult = Pick<Result, (typeof shownFields)[number]>;
export const shownFields = [
  "handle",
  "firmCode",
  "productCode",
  "itemRef",
  "quantity",
  "free",
  "total",
  "validUntilMs",
  "nextCursor",
  "mark",
] as const satisfies readonly (keyof Result)[];

/** The answer to a request that is refused or not understood. */
export interface ControlFault {
  readonly error: { readonly code: ErrorCode; readonly message: string };
}

/** The longest request, with its newline: an update of one container fits, which also fits one message to an upstream. */
export const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
/** The longest answer, with its newline: the contexts of three upstreams. */
export const MAX_ANSWER_BYTES = 1024 * 1024;

const SOCKET_FILE = "control.sock";
/** sockaddr_un has 108 bytes for the path and the zero behind it. */
const MAX_PATH_BYTES = 107;

/** The socket in a TMR server's state folder. Throws an error with `code` when its path is too long for a socket. */
export function controlSocketPath(stateFolder: string, code: "ERR_TMR_LISTEN" | "ERR_TMR_CONNECT"): string {
  const path = join(stateFolder, SOCKET_FILE);
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_PATH_BYTES) return path;
  throw new TmrError(
    code,
    `${path}: expected a path of at most ${MAX_PATH_BYTES} bytes, the most that a Unix socket can have, ` +
      `received ${bytes}; choose a shorter "state" folder`,
  );
}
