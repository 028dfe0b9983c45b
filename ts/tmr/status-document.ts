/** The status of one TMR server as a JSON document: what `tmr status` shows, and the dashboard later. */
import type { OrderingCounters } from "../engine/types.js";
import type { TwinRole } from "../failover/twin.js";
import type { ClientListenerCounters } from "../server/client-listener.js";
import type { UpstreamId } from "./choose.js";
import type { PeerPhase } from "./peer.js";

export interface UpstreamStatus {
  readonly id: UpstreamId;
  readonly name: string;
  readonly address: string;
  readonly connected: boolean;
  readonly state: PeerPhase;
  /** where its log ends, as far as it has acknowledged */
  readonly position: number;
  readonly epoch: number;
  /** it streams and none of its votes differed */
  readonly agrees: boolean;
  /** why its link was last closed, "" when it never was */
  readonly lastFault: string;
}

/** A license that is not in all three containers alike. */
export interface LicenseStatus {
  readonly firmCode: number;
  readonly productCode: number;
  readonly tmrId: number;
  readonly verdict: "majority-odd" | "majority-missing" | "split" | "alone";
  /** the upstream whose copy differs, 0 = none */
  readonly odd: number;
  readonly holders: readonly number[];
}

export interface ServerStatus {
  readonly name: string;
  readonly twin: 0 | 1;
  readonly role: TwinRole;
  readonly phase: string;
  readonly epoch: number;
  readonly position: number;
  readonly carried: number;
  /** hex, of the carried position */
  readonly digest: string;
  readonly quorum: boolean;
  readonly clients: number;
  readonly peer: {
    readonly name: string;
    readonly address: string;
    readonly connected: boolean;
    readonly role: TwinRole | "unknown";
  };
  readonly upstreams: readonly UpstreamStatus[];
  readonly licenses: readonly LicenseStatus[];
  readonly counters: OrderingCounters & ClientListenerCounters;
  readonly version: string;
  readonly pid: number;
  readonly uptimeMs: number;
}
