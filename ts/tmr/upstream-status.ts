/** What a TMR server's status says of the three upstreams. */
import type { System } from "../config/index.js";
import type { Gateway } from "../engine/types.js";
import type { UpstreamStatus } from "../wire/server-status.js";
import type { UpstreamId } from "./choose.js";
import type { Leader } from "./leader.js";

/** One entry per upstream; `faults` says why a link was last lost. */
export function upstreamStatuses(
  system: System,
  peers: Leader["peers"],
  gateway: Pick<Gateway, "acknowledged">,
  faults: ReadonlyMap<UpstreamId, string>,
): UpstreamStatus[] {
  return system.upstreams.map(({ id, name, address }) => {
    const peer = peers[id];
    return {
      id,
      name,
      address,
      connected: peer.connected,
      state: peer.phase,
      position: Math.max(peer.end.position, gateway.acknowledged(id)),
      epoch: peer.promised,
      agrees: peer.phase === "streaming",
      lastFault: faults.get(id) ?? "",
    };
  });
}
