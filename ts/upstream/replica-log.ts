/**
 * The log of a replica together with the license state at its end. The two always stand at the same position: what
 * was made durable is applied, what was cut is taken back by starting again from the snapshot.
 */
import { TmrError } from "../errors.js";
import type { ReplicaStore, StoredSnapshot } from "../store/store.js";
import { BATCH_HEADER_BYTES, BatchField, DIGEST_BYTES, isWellFormedBatch, previousDigest } from "../wire/batch.js";
import { asBuffer, getU64 } from "../wire/bytes.js";
import { voteOf } from "../wire/vote.js";
import type { LicenseState, LicenseStates } from "./license-state.js";
import type { Sha256, UpstreamNumber } from "./types.js";
import { VoteRing } from "./vote-ring.js";

/** When a snapshot is due, and what is kept before it. */
export interface SnapshotPolicy {
  /** after so many batches */
  readonly everyBatches: number;
  /** or after so many bytes of them */
  readonly everyBytes: number;
  /** batches kept before the snapshot, so that an upstream that was away for a while needs no snapshot */
  readonly keepBatches: number;
}

export const snapshotPolicy: SnapshotPolicy = Object.freeze({
  everyBatches: 10_000,
  everyBytes: 64 * 1024 * 1024,
  keepBatches: 1000,
});
const READ_BYTES = 4 * 1024 * 1024;
/** Room for a batch of the most records and a little text. */
const CHAINED_BYTES = 160 * 1024;

export interface ReplicaLogOptions {
  readonly upstream: UpstreamNumber;
  readonly store: ReplicaStore;
  readonly states: LicenseStates;
  readonly sha256: Sha256;
  /** Default {@link snapshotPolicy}. */
  readonly snapshots?: SnapshotPolicy;
  /** Votes kept for a repeat; default: as many as an upstream may be asked for again. */
  readonly votesKept?: number;
}

/** A batch that is in its place: well-formed, right position. */
export interface PlacedBatch {
  readonly position: number;
  readonly batch: Buffer;
  readonly digest: Uint8Array;
}

export class ReplicaLog {
  readonly #store: ReplicaStore;
  readonly #states: LicenseStates;
  readonly #sha256: Sha256;
  readonly #upstream: UpstreamNumber;
  readonly #snapshots: SnapshotPolicy;
  readonly #ring: VoteRing;
  /** Where a batch is put behind the digest before it: once for all batches but very large ones. */
  readonly #chained = Buffer.allocUnsafeSlow(CHAINED_BYTES);
  #state: LicenseState;
  #batchesSince = 0;
  #bytesSince = 0;
  /** Made at its position, written once the leader says that the position was carried: a snapshot is never cut. */
  #pending: StoredSnapshot | null = null;
  #served: StoredSnapshot | null = null;
  /** What the last checkpoint asked for, for other upstreams only: the store keeps its own snapshots. */
  #checkpoint: StoredSnapshot | null = null;

  /** Recovers: snapshot, then every batch behind it. Throws what the store throws for damage. */
  constructor(options: ReplicaLogOptions) {
    this.#store = options.store;
    this.#states = options.states;
    this.#sha256 = options.sha256;
    this.#upstream = options.upstream;
    this.#snapshots = options.snapshots ?? snapshotPolicy;
    this.#ring = new VoteRing(options.votesKept);
    this.#state = this.#recovered();
  }

  get state(): LicenseState {
    return this.#state;
  }

  get position(): number {
    return this.#store.lastPosition;
  }

  get digest(): Uint8Array {
    return this.#store.lastDigest();
  }

  /** Epoch of the newest batch, null when the log has none. */
  get lastEpoch(): number | null {
    const [batch] = this.start > this.position ? [] : this.#store.read(this.position - 1, 1);
    return batch === undefined ? null : getU64(batch, BatchField.epoch);
  }

  /** First position that can be fetched as a batch. */
  get start(): number {
    return this.#store.firstPosition;
  }

  digestAt(position: number): Uint8Array | null {
    return position > this.position ? null : this.#store.digestAt(position);
  }

  /** The batch with its digest when it can stand at `position` behind `previous`, else null. */
  place(batch: Uint8Array, position: number, previous: Uint8Array, epoch: number): PlacedBatch | null {
    const bytes = asBuffer(batch);
    if (!isWellFormedBatch(bytes)) return null;
    const fits =
      getU64(bytes, BatchField.position) === position &&
      getU64(bytes, BatchField.epoch) <= epoch &&
      previousDigest(bytes).equals(previous);
    return fits ? { position, batch: bytes, digest: this.chainDigest(bytes) } : null;
  }

  /** digest(n) of a batch, from the digest(n-1) that it carries. */
  chainDigest(batch: Buffer): Uint8Array {
    const length = DIGEST_BYTES + batch.length;
    const bytes = length <= this.#chained.length ? this.#chained : Buffer.allocUnsafe(length);
    previousDigest(batch).copy(bytes);
    batch.copy(bytes, DIGEST_BYTES);
    return this.#sha256(bytes.subarray(0, length));
  }

  /**
   * Makes the batches behind the end durable, in one transaction, then applies them. Returns their votes, which are also
   * kept for a repeat: they are to be sent, never changed.
   */
  append(batches: readonly PlacedBatch[], clockMs: number): Buffer[] {
    if (batches.length === 0) return [];
    this.#store.append(batches);
    return batches.map(({ batch, digest }) => this.#apply(batch, digest, clockMs));
  }

  /** True when everything after `position` may go: a snapshot does not stand for it. */
  canCut(position: number): boolean {
    return position >= (this.#store.snapshotInfo()?.position ?? 0);
  }

  /** Drops what follows `position` and takes the license state back to it. */
  cut(position: number): void {
    if (position === this.position) return;
    this.#store.cut(position);
    this.#state = this.#recovered();
  }

  /** Replaces log and state by a snapshot. False when its bytes are not one of this position. */
  install(position: number, digest: Uint8Array, bytes: Uint8Array): boolean {
    const state = this.#restored(bytes);
    if (state?.position !== position) return false;
    this.#store.installSnapshot(position, digest, bytes);
    this.#state = state;
    this.#begin();
    return true;
  }

  /** Batches after `after` for another upstream. */
  read(after: number, maxBytes: number): Buffer[] {
    return this.#store.read(after, maxBytes);
  }

  /**
   * A part of the newest snapshot for another upstream: the last checkpoint's where there is one, since its content was
   * voted. One that was read from the store stays in memory until its last part was asked for.
   */
  snapshotPart(offset: number, maxBytes: number) {
    const position = this.#store.snapshotInfo()?.position ?? 0;
    if (this.#checkpoint !== null && this.#checkpoint.position >= position) this.#served = this.#checkpoint;
    else if (this.#served?.position !== position) this.#served = this.#store.snapshot();
    const snapshot = this.#served;
    if (snapshot === null) return null;
    if (offset + maxBytes >= snapshot.bytes.length) this.#served = null;
    return {
      position: snapshot.position,
      digest: snapshot.digest,
      totalBytes: snapshot.bytes.length,
      bytes: snapshot.bytes.subarray(offset, offset + maxBytes),
    };
  }

  /** The vote for `position`; without records where the results are no longer kept, null where nothing is. */
  vote(position: number, epoch: number, clockMs: number): Buffer | null {
    const kept = this.#ring.vote(position, epoch, clockMs);
    if (kept !== null) return kept;
    const stateDigest = this.#ring.stateDigest(position);
    const digest = this.digestAt(position);
    if (stateDigest === null || digest === null) return null;
    const { incarnation } = this.#store.meta();
    const upstream = this.#upstream;
    const header = { epoch, position, incarnation, digest, stateDigest, clockMs, upstream };
    return voteOf(header, new Uint8Array(0), new Uint8Array(0));
  }

  #apply(batch: Buffer, digest: Uint8Array, clockMs: number): Buffer {
    const { records, blobs } = this.#state.apply(batch);
    const { position, stateDigest } = this.#state;
    const header = {
      epoch: getU64(batch, BatchField.epoch),
      position,
      incarnation: this.#store.meta().incarnation,
      digest,
      stateDigest,
      clockMs,
      upstream: this.#upstream,
    };
    const vote = voteOf(header, records, blobs);
    this.#ring.put(position, vote, stateDigest);
    const { checkpoint } = this.#state;
    if (checkpoint !== null) this.#checkpoint = { position, digest, bytes: checkpoint };
    this.#batchesSince++;
    this.#bytesSince += batch.length;
    this.#considerSnapshot(getU64(batch, BatchField.carried));
    return vote;
  }

  #considerSnapshot(carried: number): void {
    const pending = this.#pending;
    const { everyBatches, everyBytes } = this.#snapshots;
    if (pending !== null) {
      if (carried < pending.position) return;
      const keepAfter = Math.max(0, pending.position - this.#snapshots.keepBatches);
      this.#store.writeSnapshot(pending.position, pending.digest, pending.bytes, keepAfter);
      this.#pending = null;
      this.#batchesSince = this.#state.position - pending.position;
      this.#bytesSince = this.#batchesSince * BATCH_HEADER_BYTES;
    } else if (this.#batchesSince >= everyBatches || this.#bytesSince >= everyBytes) {
      const { position } = this.#state;
      // While several batches are applied that were made durable together, the log may end further on.
      const digest = this.#store.digestAt(position);
      if (digest !== null) this.#pending = { position, digest, bytes: this.#state.snapshot() };
    }
  }

  #begin(): void {
    this.#ring.reset(this.#state.position, this.#state.stateDigest);
    this.#pending = null;
    this.#checkpoint = null;
    // Making a snapshot takes a moment. The other two are to answer meanwhile, so each begins to count elsewhere.
    const part = (this.#upstream - 1) / 3;
    this.#batchesSince = Math.floor(part * this.#snapshots.everyBatches);
    this.#bytesSince = Math.floor(part * this.#snapshots.everyBytes);
  }

  #restored(bytes: Uint8Array): LicenseState | null {
    try {
      return this.#states.restore(bytes);
    } catch (error) {
      if (error instanceof TmrError) return null;
      throw error;
    }
  }

  #recovered(): LicenseState {
    const snapshot = this.#store.snapshot();
    const restored = snapshot === null ? this.#states.create() : this.#restored(snapshot.bytes);
    if (restored === null || restored.position !== (snapshot?.position ?? 0)) {
      throw new TmrError("ERR_TMR_STORE", `the snapshot at position ${snapshot?.position ?? 0} cannot be read`);
    }
    this.#state = restored;
    this.#begin();
    while (this.#state.position < this.#store.lastPosition) {
      for (const batch of this.#store.read(this.#state.position, READ_BYTES))
        this.#apply(batch, this.chainDigest(batch), 0);
    }
    return this.#state;
  }
}
