/** What leaves the core of a TMR server: {@link TmrPorts}, and what an operator reads in its log. */
import type { Ordering } from "../engine/types.js";
import type { LinkMessage, LinkMessageOf } from "../wire/link.js";
import type { ProtocolRules } from "../wire/rules.js";
import type { AttestationCheck } from "./attestations.js";
import type { UpstreamId } from "./choose.js";
import type { Twin } from "./epoch.js";
import type { ServerRecord } from "./server-state.js";
import type { SyncStamps } from "./sync-stamps.js";
import type { Admission, LeaderAlarm } from "./term.js";

/** Everything that leaves the core. */
export interface TmrPorts {
  /** Sends a control message behind what the engine has queued for this upstream. */
  send(upstream: UpstreamId, message: LinkMessage): void;
  /** Must be durable when it returns; throws when it cannot be. */
  durably(change: Partial<ServerRecord>): void;
  /** Sends a heartbeat to the peer now: the role has changed. */
  beat(): void;
  /** Sends a message to the twin when it is connected; nobody waits for it. */
  tellTwin(message: LinkMessageOf<"handOver" | "handOverReply">): void;
  /** Says goodbye to every client and closes it: this server is not active any more. */
  dropClients(): void;
  /** The document that answers a status request. */
  statusDocument(): Uint8Array;
  /** An upstream's holding statement has arrived. */
  holding(statement: Uint8Array): void;
  /** An upstream answers what was asked of its containers folder; left out: nobody here asks. */
  relayed?(upstream: UpstreamId, reply: LinkMessageOf<RelayedReply>): void;
  say(event: CoreEvent): void;
}

/** Answers about the containers folder of an upstream, and about its system.toml. */
export const relayedReplies = ["contextIs", "updated", "vouched"] as const;
export type RelayedReply = (typeof relayedReplies)[number];

/** True for such an answer. */
export function isRelayed(message: LinkMessage): message is LinkMessageOf<RelayedReply> {
  return relayedReplies.some((type) => type === message.type);
}

/** What an operator wants to read in the log. */
export type CoreEvent =
  | { readonly event: "active"; readonly epoch: number; readonly position: number }
  | { readonly event: "suspended"; readonly epoch: number }
  | { readonly event: "fenced"; readonly epoch: number; readonly promised: number }
  | { readonly event: "founded" }
  | { readonly event: "loss-accepted"; readonly which: Admission | "missing" }
  | { readonly event: "taking-over"; readonly reason: "nobody-leads" | "handed-over" | "told" }
  | ({ readonly event: "alarm" } & LeaderAlarm);

/** What a core is made of. */
export interface TmrCoreOptions {
  readonly twin: Twin;
  readonly ordering: Ordering;
  readonly ports: TmrPorts;
  readonly record: ServerRecord;
  readonly timing: { readonly heartbeatMs: number; readonly suspectMs: number; readonly graceMs: number };
  readonly minTimeoutMs: number;
  /** Requests that are worth a batch of their own while another one is under way; fewer wait for it. 1 if left out. */
  readonly fullBatch?: number;
  /** where clients find the other twin; told to them when this one is not active */
  readonly peerAddress: string;
  verifyMac(batch: Uint8Array): boolean;
  /** Whether an upstream's signature of a borrowed license counts; left out: none does. */
  readonly checkAttestation?: AttestationCheck;
  readonly stamps: Pick<SyncStamps, "make" | "fits">;
  /** All of them, but in a simulation that shows what happens without one. */
  readonly rules?: ProtocolRules;
}
