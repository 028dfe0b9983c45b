/**
 * Sees to it that the holding statement in the replicated state is the one of the own containers (protocol.md
 * rule 9): makes a new one when it is not, with a version above every earlier one, and offers it until it is there.
 */
import type { ReplicaStore } from "../store/store.js";
import type { LicenseState } from "./license-state.js";
import { sameBytes } from "./same-bytes.js";
import type { UpstreamNumber } from "./types.js";

/** A signed statement: 64 bytes of signature and the payload, and the SHA-256 of the payload. */
export interface SignedStatement {
  readonly bytes: Uint8Array;
  readonly payloadDigest: Uint8Array;
}

/** Signs what the containers hold now under a version. Null: there is nothing to state and never was. */
export type StatementMaker = (version: number) => SignedStatement | null;

/** The statement is offered to the leader at most this often. */
export const OFFER_EVERY_MS = 1000;

export class Holding {
  readonly #upstream: UpstreamNumber;
  readonly #store: ReplicaStore;
  readonly #make: StatementMaker;
  #offer: { readonly version: number; readonly statement: SignedStatement } | null = null;
  /** Version in the state when it was last found to be the current one. */
  #satisfiedBy = -1;
  #offeredAtMs = Number.NEGATIVE_INFINITY;
  /** The leader at work knows what is held. */
  #announced = true;

  constructor(upstream: UpstreamNumber, store: ReplicaStore, make: StatementMaker) {
    this.#upstream = upstream;
    this.#store = store;
    this.#make = make;
  }

  /** The containers may hold something else now. */
  changed(): void {
    this.#offer = null;
    this.#satisfiedBy = -1;
    this.#offeredAtMs = Number.NEGATIVE_INFINITY;
  }

  /** A new leader has synced this upstream: it is told what is held even when the state has it, for its status. */
  announce(): void {
    this.#announced = false;
    this.#satisfiedBy = -1;
    this.#offeredAtMs = Number.NEGATIVE_INFINITY;
  }

  /** True when the state has the statement of what is held now. */
  isStated(state: LicenseState): boolean {
    const current = this.#make(state.statementVersion(this.#upstream));
    return current === null || sameBytes(current.payloadDigest, state.statementDigest(this.#upstream));
  }

  /** The statement to send to the leader now, or null. */
  next(state: LicenseState, nowMs: number): Uint8Array | null {
    const stated = state.statementVersion(this.#upstream);
    if (stated === this.#satisfiedBy || nowMs - this.#offeredAtMs < OFFER_EVERY_MS) return null;
    const statement = this.#wanted(state, stated);
    if (statement === null) {
      this.#satisfiedBy = stated;
      const current = this.#announced ? null : this.#make(stated);
      this.#announced = true;
      return current?.bytes ?? null;
    }
    this.#announced = true;
    this.#offeredAtMs = nowMs;
    return statement.bytes;
  }

  #wanted(state: LicenseState, stated: number): SignedStatement | null {
    const current = this.#make(stated);
    if (current === null || sameBytes(current.payloadDigest, state.statementDigest(this.#upstream))) return null;
    const { statementVersion, statementDigest } = this.#store.meta();
    if (this.#offer !== null && this.#offer.version > stated) return this.#offer.statement;
    if (statementVersion > stated) {
      // Made in an earlier life and not carried yet: the same one again, unless the containers changed since.
      const earlier = this.#make(statementVersion);
      if (earlier !== null && sameBytes(earlier.payloadDigest, statementDigest)) {
        this.#offer = { version: statementVersion, statement: earlier };
        return earlier;
      }
    }
    const version = Math.max(statementVersion, stated) + 1;
    const statement = this.#make(version);
    if (statement === null) return null;
    this.#store.writeMeta({ statementVersion: version, statementDigest: statement.payloadDigest });
    this.#offer = { version, statement };
    return statement;
  }
}
