/** The other twin as this server sees it, and what follows from that for taking over, handing over and the virtual address. */
import type { AddressView } from "../failover/address.js";
import type { TwinRole, TwinView, Witness } from "../failover/twin.js";
import { upstreamIds } from "./choose.js";
import type { Leader } from "./leader.js";

/** What this server knows of itself. */
export interface OwnPart {
  readonly role: TwinRole;
  readonly leader: Pick<Leader, "peers" | "epoch">;
}

export class OtherTwin {
  readonly #suspectMs: number;
  connected = false;
  /** in its last heartbeat; null before the first */
  role: TwinRole | null = null;
  #epoch = 0;
  #heardAtMs = Number.NEGATIVE_INFINITY;

  constructor(timing: { readonly suspectMs: number }) {
    this.#suspectMs = timing.suspectMs;
  }

  heard(role: TwinRole | null, epoch: number, nowMs: number): void {
    this.connected = true;
    this.role = role;
    this.#epoch = epoch;
    this.#heardAtMs = nowMs;
  }

  /** Its heartbeats come. */
  answers(nowMs: number): boolean {
    return this.connected && nowMs - this.#heardAtMs <= this.#suspectMs;
  }

  /** What the upstreams that answer this server say of their leader. */
  witnesses({ peers }: OwnPart["leader"], nowMs: number): Witness[] {
    return upstreamIds
      .map((id) => peers[id])
      .filter((peer) => peer.connected && nowMs - peer.pongAtMs <= this.#suspectMs);
  }

  view(twin: 0 | 1, { role, leader }: OwnPart, nowMs: number): TwinView {
    return {
      twin,
      role,
      peerConnected: this.connected,
      peerRole: this.role,
      peerSilentMs: nowMs - this.#heardAtMs,
      witnesses: this.witnesses(leader, nowMs),
    };
  }

  addressView({ role, leader }: OwnPart, nowMs: number): Omit<AddressView, "address"> {
    const witnesses = this.witnesses(leader, nowMs);
    const led = witnesses.filter((witness) => witness.leaderConnected && witness.leaderSilentMs <= this.#suspectMs);
    const peerAnswers = this.answers(nowMs);
    return {
      role,
      peerAnswers,
      peerLeadsLater: peerAnswers && this.role === "active" && this.#epoch > leader.epoch,
      reachesTwo: witnesses.length >= 2,
      othersLead: led.length >= 2,
    };
  }
}
