/**
 * A large snapshot is not written at once: each append takes a part of it along in its own transaction, so that none waits
 * for all of it. Until the last part is there the snapshot before it counts. Then, again along with appends, what it has
 * made superfluous goes: parts of other snapshots, batches of the log.
 */
import type { Hash } from "node:crypto";
import { type Statements, snapshotSeal } from "./sqlite-rows.js";
import type { StoredSnapshot } from "./store.js";

/** Bytes of a snapshot in one row. */
const PART_BYTES = 128 * 1024;
/** Batches dropped by one append, beyond as many as it brings. */
const DROPPED_ROWS = 64;

interface Staged extends StoredSnapshot {
  readonly keepAfter: number;
  readonly seal: Hash;
  parts: number;
}

export class SnapshotSteps {
  readonly #sql: Statements;
  #staged: Staged | null = null;
  /** batches up to here may go */
  #keepAfter = 0;
  /** parts of other snapshots may be there */
  #stale = true;

  constructor(sql: Statements) {
    this.#sql = sql;
  }

  /** True when writing it and dropping what lies before `keepAfter` is little enough for one transaction. */
  isSmall(bytes: Uint8Array, dropped: number): boolean {
    return bytes.length <= PART_BYTES && dropped <= 4 * DROPPED_ROWS;
  }

  /** What {@link step} will write from now on, instead of anything before. */
  stage(snapshot: StoredSnapshot, keepAfter: number): void {
    this.#stale = true;
    this.#staged = { ...snapshot, keepAfter, seal: snapshotSeal(snapshot.position, snapshot.digest), parts: 0 };
  }

  /** The log was cut after `position`, or replaced. */
  forget(position: number): void {
    if (this.#staged !== null && this.#staged.position > position) this.#staged = null;
    this.#keepAfter = Math.min(this.#keepAfter, position);
  }

  /** Writes a whole snapshot inside the caller's transaction. */
  writeAll(snapshot: StoredSnapshot): void {
    this.#staged = null;
    this.#stale = true;
    const { position, digest, bytes } = snapshot;
    const staged: Staged = { position, digest, bytes, keepAfter: 0, seal: snapshotSeal(position, digest), parts: 0 };
    while (!this.#isWhole(staged)) this.#writePart(staged);
    this.#finish(staged);
  }

  /**
   * One step inside the transaction of an append of `bytes` bytes: enough of them that a snapshot is whole before the
   * next one is due. Returns the snapshot that counts from then on, or null.
   */
  step(bytes: number): StoredSnapshot | null {
    const staged = this.#staged;
    if (staged === null) {
      if (this.#stale) this.#stale = this.#sql.dropPart.run(this.#sql.snapshot.get()?.position ?? -1).changes > 0;
      return null;
    }
    for (let written = 0; written <= 2 * bytes && !this.#isWhole(staged); written += PART_BYTES) {
      this.#writePart(staged);
    }
    if (!this.#isWhole(staged)) return null;
    this.#finish(staged);
    this.#staged = null;
    this.#keepAfter = staged.keepAfter;
    return staged;
  }

  /** Up to where the log may be dropped by an append of so many batches, given that it begins after `base`. */
  dropUpTo(base: number, appended: number): number {
    return Math.min(this.#keepAfter, base + DROPPED_ROWS + appended);
  }

  #isWhole({ bytes, parts }: Staged): boolean {
    return parts * PART_BYTES >= bytes.length;
  }

  #writePart(staged: Staged): void {
    const at = staged.parts * PART_BYTES;
    const part = staged.bytes.subarray(at, at + PART_BYTES);
    staged.seal.update(part);
    this.#sql.putPart.run(staged.position, staged.parts++, part);
  }

  #finish({ position, digest, seal, bytes, parts }: Staged): void {
    this.#sql.putSnapshot.run(position, digest, seal.digest(), bytes.length, parts);
  }
}
