/** What the status document of a TMR server says of its core and of each upstream. */
import type { ServerConfig, UpstreamEntry } from "../config/index.js";
import type { Gateway } from "../engine/types.js";
import type { ServerStatus, UpstreamStatus } from "../wire/server-status.js";
import type { TmrCore } from "./core.js";
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

/** Who this server is, where it stands, and its twin as it sees it. */
export function coreStatus(
  { name, twin, system }: Pick<ServerConfig, "name" | "twin" | "system">,
  { role, leader, peer }: TmrCore,
  gateway: Pick<Gateway, "position" | "carried" | "carriedDigest">,
): Pick<
  ServerStatus,
  "name" | "twin" | "role" | "phase" | "epoch" | "position" | "carried" | "digest" | "quorum" | "peer"
> {
  const other = system.servers[twin === 0 ? 1 : 0];
  return {
    name,
    twin,
    role,
    phase: leader.phase,
    epoch: leader.epoch,
    position: gateway.position,
    carried: gateway.carried,
    digest: gateway.carriedDigest().toString("hex"),
    quorum: leader.hasQuorum,
    peer: { name: other.name, address: other.clients, connected: peer.connected, role: peer.role ?? "unknown" },
  };
}
