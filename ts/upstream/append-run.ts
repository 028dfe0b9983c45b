/**
 * Batches that wait together and follow each other behind the end of the log. They cost one durable write, however many
 * they are; each is voted for on its own, after that write.
 */
import { BatchField, previousDigest } from "../wire/batch.js";
import { getU64 } from "../wire/bytes.js";
import type { PlacedBatch, ReplicaLog } from "./replica-log.js";

export class AppendRun {
  readonly #log: ReplicaLog;
  readonly #batches: PlacedBatch[] = [];

  constructor(log: ReplicaLog) {
    this.#log = log;
  }

  get size(): number {
    return this.#batches.length;
  }

  /** Takes a well-formed batch when it is the next one; false: it is not, and nothing has changed. */
  take(batch: Buffer): boolean {
    const end = this.#batches.at(-1) ?? this.#log;
    const position = getU64(batch, BatchField.position);
    if (position !== end.position + 1 || !previousDigest(batch).equals(end.digest)) return false;
    this.#batches.push({ position, batch, digest: this.#log.chainDigest(batch) });
    return true;
  }

  /** Makes the run durable, applies it and returns its votes; it is empty then. Throws what the store throws. */
  finish(clockMs: number): Buffer[] {
    return this.#log.append(this.#batches.splice(0), clockMs);
  }
}
