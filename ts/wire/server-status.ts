/**
 * The JSON document with which a TMR server answers a `status` request about itself. Positions and epochs are the
 * log's; digests are hex. A reader takes no offence at fields that it does not know.
 */

import type { Versions } from "./hello.js";

export type ServerRole = "passive" | "taking-over" | "active" | "stopping" | "stopped";
/** What the states of an upstream mean is said at `PeerPhase` in ts/tmr/peer.ts and in docs/operations.md. */
export type UpstreamState =
  | "down"
  | "connected"
  | "asked"
  | "promised"
  | "catching-up"
  | "syncing"
  | "streaming"
  | "silent"
  | "blank"
  | "refusing"
  | "quarantined";

/** One upstream license server as this TMR server sees it. */
export interface UpstreamStatus {
  readonly id: number;
  readonly name: string;
  readonly address: string;
  readonly connected: boolean;
  readonly state: UpstreamState;
  /** where its log ends, as far as it has acknowledged */
  readonly position: number;
  /** the highest epoch it is known to have promised */
  readonly epoch: number;
  /** it takes part, and none of its votes differed */
  readonly agrees: boolean;
  /** version of the protocol that is spoken with it, 0 without a link */
  readonly protocol: number;
  /** why its link was last lost, "" while it is open */
  readonly lastFault: string;
}

/** A license that the three upstreams do not hold unanimously (licensing.md section 5, rules 2 and 3). */
export interface OddLicenseStatus {
  readonly firmCode: number;
  readonly productCode: number;
  readonly tmrId: number;
  readonly verdict: "majority-odd" | "majority-missing" | "split" | "alone";
  /** the upstream whose copy differs, 0 = none can be named */
  readonly odd: number;
  /** upstreams that have a copy */
  readonly holders: readonly number[];
}

export interface ServerStatus {
  readonly name: string;
  readonly twin: 0 | 1;
  readonly role: ServerRole;
  /** what its leader is doing: idle, preparing, syncing, active, fenced or stopped */
  readonly phase: string;
  readonly epoch: number;
  readonly position: number;
  readonly carried: number;
  /** hex, of the carried position */
  readonly digest: string;
  /** two upstreams are in step and answer */
  readonly quorum: boolean;
  readonly clients: number;
  readonly peer: {
    readonly name: string;
    readonly address: string;
    readonly connected: boolean;
    readonly role: ServerRole | "unknown";
  };
  readonly upstreams: readonly UpstreamStatus[];
  /** only those that are not unanimous, the first {@link MAX_ODD_LICENSES} of them */
  readonly licenses: readonly OddLicenseStatus[];
  /** how many there are in all */
  readonly oddLicenses: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly version: string;
  /** what this build knows of the protocol and of the license rules */
  readonly versions: Pick<Versions, "protocol" | "rules">;
  /** its wall clock, ms since 1970 */
  readonly wallMs: number;
  readonly pid: number;
  readonly uptimeMs: number;
}

/** Keeps the document within one result blob. */
export const MAX_ODD_LICENSES = 100;

/** One container file of a standalone license server. With a `fault` it is listed and serves nothing. */
export interface ContainerFileStatus {
  /** name of the file */
  readonly file: string;
  /** `130-serial`, "unknown" with a fault */
  readonly container: string;
  readonly items: number;
  /** items with a TMR-ID, which only a TMR system may serve */
  readonly tmrItems: number;
  readonly fault?: string;
}

/** The document with which a standalone license server answers a `status` request about itself. */
export interface StandaloneStatus {
  readonly mode: "standalone";
  readonly name: string;
  readonly role: "active" | "stopping";
  readonly phase: string;
  /** it serves */
  readonly quorum: boolean;
  readonly epoch: number;
  readonly position: number;
  readonly carried: number;
  /** hex, of the position */
  readonly digest: string;
  readonly stateDigest: string;
  /** calendar time: ahead of a wall clock that was put back */
  readonly calendarMs: number;
  /** false: it does not wait for its disk */
  readonly durable: boolean;
  readonly clients: number;
  readonly containers: readonly ContainerFileStatus[];
  /** it has none */
  readonly upstreams: readonly never[];
  readonly counters: Readonly<Record<string, number>>;
  readonly version: string;
  /** its wall clock, ms since 1970 */
  readonly wallMs: number;
  readonly pid: number;
  readonly uptimeMs: number;
}
