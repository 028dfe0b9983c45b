/** What a replica says of itself when a TMR server asks whether it is there. */
import type { ReplicaMeta } from "../store/store.js";
import type { LinkMessageOf } from "../wire/link.js";
import type { LeaderContact } from "./leader-contact.js";

/** As `silentMs`: not since the start. */
const NEVER = 0xffff_ffff;

/** The answer to a ping. `nowMs` is monotonic, `clockMs` the wall clock. */
export function pong(
  { promised, logEpoch, blank }: ReplicaMeta,
  { position, digest }: { readonly position: number; readonly digest: Uint8Array },
  leader: LeaderContact,
  nowMs: number,
  clockMs: number,
): LinkMessageOf<"pong"> {
  return {
    type: "pong",
    promised,
    logEpoch,
    position,
    digest,
    clockMs,
    silentMs: Math.min(leader.silentMs(nowMs) ?? NEVER, NEVER),
    leaderConnected: leader.isConnected(promised) ? 1 : 0,
    blank: blank ? 1 : 0,
  };
}
