/** What a TMR server process is given, and what it is asked while it runs. */
import type { Logger } from "pino";
import type { SessionTimeouts } from "../config/index.js";
import type { Engine } from "../engine/types.js";
import type { BorrowVote } from "../wire/borrow-votes.js";
import type { Versions } from "../wire/hello.js";
import type { ServerStatus } from "../wire/server-status.js";
import type { SystemAnswer, SystemRecord } from "../wire/system-record.js";
import type { UpstreamId } from "./choose.js";
import type { StatementReader } from "./holdings.js";
import type { Admission } from "./term.js";
import type { UpdateRelay } from "./update-relay.js";

/** Of its start. */
export interface ServerDependencies {
  readonly engine: Engine;
  readonly log: Logger;
  readonly version: string;
  /** left out: what this build knows */
  readonly versions?: Versions;
  readonly readStatement: StatementReader;
  /** Whether an upstream's signature of a borrowed license counts on the borrower's machine. */
  checkAttestation(upstream: UpstreamId, given: BorrowVote): Promise<boolean>;
  /** A durable write failed: the process must end rather than go on. */
  fatal(error: unknown): void;
}

/** A TMR server that was started by {@link runServer}. */
export interface RunningServer {
  /** `host:port` where clients are served */
  readonly address: string;
  status(): ServerStatus;
  /** Takes over now: the operator's word, or the virtual IP's. */
  takeOver(): void;
  /** Hands over to the twin in order. Rejects with ERR_TMR_STATE, and says why, when that is not possible. */
  switchOver(): Promise<void>;
  /** The operator admits a blank upstream by force, or founds anew: null when it has begun, else why it cannot. */
  admit(which: Admission): string | null;
  /** The operator accepts what has stopped this server: null when it takes part again, else why not. */
  resume(): string | null;
  /** Has a record ordered and resolves to its voted result; rejects with ERR_TMR_STATE when it is not known to have been. */
  propose(record: SystemRecord): Promise<SystemAnswer>;
  /** Other time-outs, for sessions that are opened from now on. */
  setSession(session: SessionTimeouts): void;
  /** Contexts and updates of the upstreams' containers. */
  readonly updates: Pick<UpdateRelay, "contexts" | "apply" | "succession">;
  /** Says goodbye to the clients and closes everything. */
  stop(): Promise<void>;
}
