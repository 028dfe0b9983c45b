/** An ordering in which nobody asks for anything: enough for a TMR server whose stories are about who leads. */
import type { Ordering, OrderingCounters } from "../../ts/engine/types.js";

const counters: OrderingCounters = {
  requests: 0,
  answers: 0,
  batches: 0,
  busy: 0,
  malformedPackets: 0,
  unknownKinds: 0,
  staleVotes: 0,
  malformedVotes: 0,
};

/** Streams from where the log ended when it was activated; proposals are taken and never become a batch. */
export class IdleOrdering implements Ordering {
  #activatedAt: { position: number; digest: Uint8Array } | null = null;
  reached = 0;
  readonly pending = 0;

  get position(): number {
    return this.#activatedAt?.position ?? 0;
  }

  get carried(): number {
    return this.position;
  }

  carriedDigest(): Buffer {
    return Buffer.from(this.#activatedAt?.digest ?? new Uint8Array(32));
  }

  activate(_epoch: number, position: number, digest: Uint8Array): void {
    this.#activatedAt = { position, digest };
    this.reached = 0;
  }

  deactivate(): void {
    this.reached = 0;
  }

  stream(upstream: number, after: number): boolean {
    if (after !== this.position) return false;
    this.reached |= 1 << (upstream - 1);
    return true;
  }

  unstream(upstream: number): void {
    this.reached &= ~(1 << (upstream - 1));
  }

  propose(): boolean {
    return true;
  }

  nextBatch(): number {
    return 0;
  }

  resend(): void {}

  refusePending(): number {
    return 0;
  }

  refuseAll(): number {
    return 0;
  }

  acknowledged(): number {
    return this.position;
  }

  clockMs(): number {
    return 0;
  }

  batchAt(): null {
    return null;
  }

  takeEvent(): null {
    return null;
  }

  takeLocalRequest(): null {
    return null;
  }

  answer(): void {}

  removeClient(): void {}

  setClientAddress(): void {}

  clientClosed(): boolean {
    return false;
  }

  dirtyClients(): number {
    return 0;
  }

  counters(): OrderingCounters {
    return counters;
  }

  close(): void {}
}
