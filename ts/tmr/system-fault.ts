/** Why a record was not ordered for whoever runs this server, in a sentence. */
import type { TwinRole } from "../failover/twin.js";
import type { SystemFault } from "../wire/system-record.js";

/** What the sentence needs to know of the two servers. */
export interface BothServers {
  readonly role: TwinRole;
  readonly peer: { readonly name: string; readonly clients: string; readonly active: boolean };
}

/** The sentence: what is so, and what to do. */
export function systemFaultText(fault: SystemFault, { role, peer }: BothServers): string {
  switch (fault) {
    case "not-active": {
      const where = peer.active ? `${peer.name} at ${peer.clients} is: ask it` : "tmr status says which one is";
      return `this server is ${role}, not active; ${where}`;
    }
    case "no-quorum":
      return "there is no quorum: two upstreams are needed; nothing was done";
    case "interrupted":
      return "the leadership changed meanwhile: whether it was done is not known; look, then ask again";
    default:
      return fault satisfies never;
  }
}
