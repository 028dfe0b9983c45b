/** The three upstreams as the status document shows them. */
import type { System } from "../config/system.js";
import type { Gateway } from "../engine/types.js";
import type { UpstreamStatus } from "../wire/server-status.js";
import type { UpstreamId } from "./choose.js";
import type { Leader } from "./leader.js";

/** `faults`: why a link is not open. */
export function upstreamStatuses(
  { upstreams }: Pick<System, "upstreams">,
  leader: Pick<Leader, "peers">,
  gateway: Pick<Gateway, "acknowledged">,
  faults: ReadonlyMap<UpstreamId, string>,
): UpstreamStatus[] {
  return upstreams.map(({ id, name, address }) => {
    const peer = leader.peers[id];
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
