/** One upstream in the status document of a TMR server. */
import type { UpstreamEntry } from "../config/index.js";
import type { UpstreamStatus } from "../wire/server-status.js";
import type { Peer } from "./peer.js";

/** What the leader does not know of it. */
export interface LinkStatus {
  /** position up to which its votes have been counted */
  readonly acknowledged: number;
  /** why its link was last lost, "" while it is open */
  readonly lastFault: string;
  /** version of the protocol that is spoken with it, 0 without a link */
  readonly protocol: number;
}

/** What is shown of it. */
export function upstreamStatus(
  { id, name, address }: UpstreamEntry,
  peer: Pick<Peer, "connected" | "phase" | "end" | "promised">,
  { acknowledged, lastFault, protocol }: LinkStatus,
): UpstreamStatus {
  return {
    id,
    name,
    address,
    connected: peer.connected,
    state: peer.phase,
    position: Math.max(peer.end.position, acknowledged),
    epoch: peer.promised,
    agrees: peer.phase === "streaming",
    protocol,
    lastFault,
  };
}
