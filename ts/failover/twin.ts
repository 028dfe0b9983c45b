/**
 * When a passive twin takes over (protocol.md rule 14). A pure machine: what it sees goes in, its decision comes out.
 * The decision need not be right: a wrong one costs a moment, since the epoch alone carries safety. It is made when
 * the peer is not at work by its own word or by silence, and two upstreams say the same of the leader; so a broken
 * cable between the twins alone moves nothing.
 */

/** `stopped`: found something that an operator has to look at; it serves again after that. */
export type TwinRole = "passive" | "taking-over" | "active" | "stopping" | "stopped";

const roles: readonly TwinRole[] = ["passive", "taking-over", "active", "stopping", "stopped"];

/** The wire number of a role. */
export function roleNumber(role: TwinRole): number {
  return roles.indexOf(role);
}

/** The role of a wire number; null for one that is not known. */
export function roleOf(number: number): TwinRole | null {
  return roles[number] ?? null;
}

/** What one upstream says of the leader of the epoch that it has promised. */
export interface Witness {
  readonly leaderConnected: boolean;
  readonly leaderSilentMs: number;
}

/** What a twin sees at one moment. */
export interface TwinView {
  /** Own place in system.toml: twin 0 goes first when both could. */
  readonly twin: 0 | 1;
  readonly role: TwinRole;
  /** The peer's heartbeat link is open. */
  readonly peerConnected: boolean;
  /** The role in the peer's last heartbeat; null before the first. */
  readonly peerRole: TwinRole | null;
  /** ms since the peer's last heartbeat; Infinity before the first. */
  readonly peerSilentMs: number;
  /** One entry per upstream that answers this server now. */
  readonly witnesses: readonly Witness[];
}

export interface TwinTiming {
  readonly suspectMs: number;
}

export type TwinDecision = "stand-by" | "take-over";

export class TwinMachine {
  readonly #timing: TwinTiming;
  /** Since when nobody has been leading, as far as this twin sees; null while somebody is. */
  #leaderlessSinceMs: number | null = null;

  constructor(timing: TwinTiming) {
    this.#timing = timing;
  }

  step(view: TwinView, nowMs: number): TwinDecision {
    if (view.role !== "passive" || !this.#isLeaderless(view)) {
      this.#leaderlessSinceMs = null;
      return "stand-by";
    }
    this.#leaderlessSinceMs ??= nowMs;
    if (nowMs - this.#leaderlessSinceMs < this.#patienceMs(view)) return "stand-by";
    this.#leaderlessSinceMs = null;
    return "take-over";
  }

  #isLeaderless(view: TwinView): boolean {
    const agreeing = view.witnesses.filter(
      (witness) => !witness.leaderConnected || witness.leaderSilentMs > this.#timing.suspectMs,
    );
    return agreeing.length >= 2;
  }

  /** How long this twin leaves it to the other one. */
  #patienceMs(view: TwinView): number {
    const { suspectMs } = this.#timing;
    const peerAnswers = view.peerConnected && view.peerSilentMs <= suspectMs;
    if (!peerAnswers) return view.peerRole === null && view.twin === 1 ? 2 * suspectMs : 0;
    switch (view.peerRole) {
      case "active":
        // It says that it is active, but two upstreams have not heard of it: it is cut off from them.
        return 2 * suspectMs;
      case "taking-over":
        return 4 * suspectMs;
      case "stopping":
      case "stopped":
        return 0;
      case "passive":
      case null:
        return view.twin === 0 ? 0 : 2 * suspectMs;
      default:
        return view.peerRole satisfies never;
    }
  }
}
