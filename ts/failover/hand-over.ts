/**
 * The planned hand-over from the active twin to the other one, as the active one goes through it. A pure machine.
 *
 *   idle ── begin ──► asking ── the twin could ──► draining ── all carried, or patience over ──► given ──► fenced: done
 *                        └── it is away, or could not: refused, nothing has changed       └── not fenced in time: serves on
 *
 * While draining, requests wait in their queue; what is left of them then goes to the twin, because the clients repeat it.
 * Nothing of this is needed for safety: the twin takes an epoch, as in any takeover.
 */
import type { LinkMessageOf } from "../wire/link.js";
import type { TwinRole } from "./twin.js";

/** Null: the twin is active. Else why it is not, in words. */
export type HandOverOutcome = string | null;

export interface HandOverView {
  readonly role: TwinRole;
  /** The twin's heartbeats come. */
  readonly peerAnswers: boolean;
  readonly peerRole: TwinRole | null;
  /** Every batch that was made is carried. */
  readonly drained: boolean;
}

/** The steps that a `handOver` message names. */
export const HandOverStep = { ask: 0, go: 1 } as const;

/** In suspect times: how long batches under way are waited for; how long the twin may take until it is active. */
const DRAIN_SUSPECTS = 0.5;
const ACTIVE_SUSPECTS = 5;

interface UnderWay {
  phase: "asking" | "draining" | "given";
  readonly ask: number;
  sinceMs: number;
  readonly settle: (outcome: HandOverOutcome) => void;
}

export class HandOver {
  readonly #suspectMs: number;
  readonly #tell: (message: LinkMessageOf<"handOver">) => void;
  #asks = 0;
  #underWay: UnderWay | null = null;

  constructor(timing: { readonly suspectMs: number }, tell: (message: LinkMessageOf<"handOver">) => void) {
    this.#suspectMs = timing.suspectMs;
    this.#tell = tell;
  }

  /** No batch is made now. */
  get draining(): boolean {
    return this.#underWay !== null && this.#underWay.phase !== "asking";
  }

  /** `settle` is called once, maybe within the call. */
  begin(view: HandOverView, nowMs: number, settle: (outcome: HandOverOutcome) => void): void {
    if (this.#underWay !== null) return settle("a hand-over is under way already");
    if (view.role !== "active") return settle(`this server is ${view.role}, not active: there is nothing to hand over`);
    if (!view.peerAnswers)
      return settle("the other TMR server does not answer: start it, or look at the link between them");
    this.#underWay = { phase: "asking", ask: ++this.#asks, sinceMs: nowMs, settle };
    this.#tell({ type: "handOver", ask: this.#asks, step: HandOverStep.ask });
  }

  /** What the twin answers to the first step. */
  replied({ ask, reach }: LinkMessageOf<"handOverReply">, role: TwinRole | null, nowMs: number): void {
    const underWay = this.#underWay;
    if (underWay?.phase !== "asking" || ask !== underWay.ask) return;
    if (role !== "passive") return this.#end(`the other TMR server is ${role ?? "in an unknown state"}, not passive`);
    if (reach < 2) return this.#end(`the other TMR server reaches ${reach} of the three upstreams, and needs two`);
    underWay.phase = "draining";
    underWay.sinceMs = nowMs;
  }

  step(view: HandOverView, nowMs: number): void {
    const underWay = this.#underWay;
    if (underWay === null) return;
    const sinceMs = nowMs - underWay.sinceMs;
    switch (underWay.phase) {
      case "asking":
        if (sinceMs >= this.#suspectMs) this.#end("the other TMR server does not answer the question whether it could");
        return;
      case "draining":
        if (!view.drained && sinceMs < DRAIN_SUSPECTS * this.#suspectMs) return;
        underWay.phase = "given";
        underWay.sinceMs = nowMs;
        return this.#tell({ type: "handOver", ask: underWay.ask, step: HandOverStep.go });
      case "given":
        if (view.role !== "active" && view.peerRole === "active") return this.#end(null);
        if (sinceMs < ACTIVE_SUSPECTS * this.#suspectMs) return;
        return this.#end(
          view.role === "active"
            ? "the other TMR server did not become active; this one serves on"
            : `the other TMR server is not active yet, and this one is ${view.role}: see tmr status`,
        );
      default:
        return underWay.phase satisfies never;
    }
  }

  #end(outcome: HandOverOutcome): void {
    const underWay = this.#underWay;
    this.#underWay = null;
    underWay?.settle(outcome);
  }
}
