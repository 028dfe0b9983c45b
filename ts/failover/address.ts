/**
 * When a TMR server may hold the virtual address, and when holding it makes it take over (protocol.md rule 14). A pure
 * machine: what it sees goes in, its word for keepalived and its decision come out. Address and epoch follow each other:
 * whoever is given the address takes over, and whoever loses the epoch gives the address up. Safety does not depend on it.
 */
import type { TwinRole } from "./twin.js";

/** What keepalived last said; null before it said anything. */
export type AddressState = "master" | "backup" | "fault";

export interface AddressView {
  readonly role: TwinRole;
  readonly address: AddressState | null;
  /** The twin's heartbeats come. */
  readonly peerAnswers: boolean;
  /** The twin says that it is active in a later epoch than this server knows of its own. */
  readonly peerLeadsLater: boolean;
  /** Two upstreams answer this server. */
  readonly reachesTwo: boolean;
  /** Two upstreams have heard another leader lately. */
  readonly othersLead: boolean;
}

export interface AddressDecision {
  /** What the tracked file says: this server answers, and it is not fenced. */
  readonly mayHold: boolean;
  readonly takeOver: boolean;
}

/** A server that gave the address up leaves the twin so long to take it. */
const PAUSE_SUSPECTS = 2;

export class AddressMachine {
  readonly #pauseMs: number;
  readonly #suspectMs: number;
  #led = false;
  /** it lost the epoch while it had the address, and keepalived has not said yet that the address is gone */
  #owesAddress = false;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  /** since when it has been cut off from the twin and from two upstreams */
  #aloneSinceMs: number | null = null;
  /** since when the twin has not been heard while somebody leads */
  #splitSinceMs: number | null = null;

  constructor(timing: { readonly suspectMs: number }) {
    this.#suspectMs = timing.suspectMs;
    this.#pauseMs = PAUSE_SUSPECTS * timing.suspectMs;
  }

  step(view: AddressView, nowMs: number): AddressDecision {
    const leads = view.role === "active" || view.role === "taking-over";
    if (this.#led && !leads) {
      this.#owesAddress = view.address === "master";
      this.#notBeforeMs = nowMs + this.#pauseMs;
    }
    this.#led = leads;
    if (view.address !== "master") this.#owesAddress = false;
    if (view.peerAnswers || view.reachesTwo) this.#aloneSinceMs = null;
    else this.#aloneSinceMs ??= nowMs;
    if (view.peerAnswers || !view.othersLead) this.#splitSinceMs = null;
    else this.#splitSinceMs ??= nowMs;
    const mayHold = this.#mayHold(view, nowMs);
    return { mayHold, takeOver: mayHold && view.role === "passive" && view.address === "master" };
  }

  #mayHold(view: AddressView, nowMs: number): boolean {
    // Cut off from everybody, so others serve or nobody can. Were it the fault of the others, nothing is lost by it.
    if (this.#lasts(this.#aloneSinceMs, nowMs)) return false;
    switch (view.role) {
      case "active":
      case "taking-over":
        // Whether two upstreams are reached is not asked: with none of them the address had nowhere to be.
        return !view.peerLeadsLater;
      case "passive":
        if (this.#owesAddress || nowMs < this.#notBeforeMs) return false;
        // The cable between the twins is cut, and somebody leads: adverts are not heard either, so they prove nothing. Only
        // when it lasts, because of a leader that died the twin may know a moment before the upstreams do.
        return !this.#lasts(this.#splitSinceMs, nowMs);
      case "stopping":
      case "stopped":
        return false;
      default:
        return view.role satisfies never;
    }
  }

  #lasts(sinceMs: number | null, nowMs: number): boolean {
    return sinceMs !== null && nowMs - sinceMs >= this.#suspectMs;
  }
}
