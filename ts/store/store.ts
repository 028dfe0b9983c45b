/**
 * What an upstream must find again after a crash (protocol.md section 1): what it promised, its log, its snapshot.
 * Every write is durable when the call returns; one that fails throws `ERR_TMR_STORE_WRITE`, after which the store
 * takes no further call. A read that finds damage throws {@link StoreDamageError}.
 */
import { TmrError } from "../errors.js";

/** The promises and the membership of a replica. */
export interface ReplicaMeta {
  /** highest epoch promised, 0 = none */
  readonly promised: number;
  /** epoch whose leader last synced this log, 0 = none */
  readonly logEpoch: number;
  /** 16 random bytes, made with the store */
  readonly incarnation: Uint8Array;
  /** true until the store was admitted (rule 8) */
  readonly blank: boolean;
  /** 48 bytes: three incarnations as of the last sync, zero before */
  readonly members: Uint8Array;
  /** 32 bytes that came with that sync: the twins' word for logEpoch and members, zero before */
  readonly stamp: Uint8Array;
  /** version of the last holding statement made here, 0 = none */
  readonly statementVersion: number;
  /** SHA-256 of that statement's payload */
  readonly statementDigest: Uint8Array | null;
}

/** One batch with its place in the chain: digest = SHA-256(digest(position - 1) ‖ batch). */
export interface LogEntry {
  readonly position: number;
  readonly batch: Uint8Array;
  readonly digest: Uint8Array;
}

/** A license state that stands for the log up to and including `position`. */
export interface StoredSnapshot {
  readonly position: number;
  readonly digest: Uint8Array;
  readonly bytes: Uint8Array;
}

/** The durable side of a replica: SQLite in production, memory in the simulator. */
export interface ReplicaStore {
  meta(): ReplicaMeta;
  /** Changes the named fields together or not at all. */
  writeMeta(patch: Partial<ReplicaMeta>): void;
  /** Position of the newest batch, 0 with an empty log and no snapshot. */
  readonly lastPosition: number;
  /** Position of the oldest batch still here; lastPosition + 1 when there is none. */
  readonly firstPosition: number;
  /** digest(lastPosition); the genesis digest at 0. */
  lastDigest(): Uint8Array;
  /** digest(position) where it is known: batches still here, the one before the oldest, the snapshot's, 0. */
  digestAt(position: number): Uint8Array | null;
  /** Appends entries that follow lastPosition without a gap, in one transaction. */
  append(entries: readonly LogEntry[]): void;
  /** Batches after `after`, as many as fit `maxBytes`, at least one if there is any. `after` >= firstPosition - 1. */
  read(after: number, maxBytes: number): Buffer[];
  /** Drops every batch after `position`, which must not lie before the snapshot. */
  cut(position: number): void;
  snapshot(): StoredSnapshot | null;
  /** Position and size of the snapshot without reading it. */
  snapshotInfo(): { readonly position: number; readonly byteLength: number } | null;
  /**
   * Replaces the snapshot by one at or before lastPosition, and drops batches up to `keepAfter` (<= position). A large one
   * may be written in parts, and many batches be dropped in parts, each along with an append: until it is whole the
   * snapshot before counts. `bytes` must not change.
   */
  writeSnapshot(position: number, digest: Uint8Array, bytes: Uint8Array, keepAfter: number): void;
  /** Replaces log and snapshot whole: afterwards lastPosition = position and no batch is here. */
  installSnapshot(position: number, digest: Uint8Array, bytes: Uint8Array): void;
  close(): void;
}

/** What a store belongs to; opening it for another upstream or system is refused. */
export interface StoreOwner {
  readonly upstream: 1 | 2 | 3;
  /** 32 bytes; also digest(0) */
  readonly genesisDigest: Uint8Array;
}

/**
 * `ERR_TMR_STORE` for bytes that are not what was written: the store counts as a lost disk (rule 18). A store that is
 * whole but belongs to someone else is a plain `ERR_TMR_STORE`, so that it is never set aside by mistake.
 */
export class StoreDamageError extends TmrError {
  constructor(message: string, options?: { cause?: unknown }) {
    super("ERR_TMR_STORE", message, options);
  }
}

/** Refuses arguments that would break the chain: a mistake of the caller, not of the disk. */
export function checkEntries(store: Pick<ReplicaStore, "lastPosition">, entries: readonly LogEntry[]): void {
  entries.forEach((entry, i) => {
    const expected = store.lastPosition + 1 + i;
    if (entry.position !== expected) {
      throw new TmrError("ERR_TMR_ARGUMENT", `append: expected position ${expected}, received ${entry.position}`);
    }
  });
}

/** Refuses to cut what the snapshot stands for. */
export function checkCut(store: Pick<ReplicaStore, "lastPosition" | "snapshotInfo">, position: number): void {
  const base = store.snapshotInfo()?.position ?? 0;
  if (position < base || position > store.lastPosition) {
    throw new TmrError("ERR_TMR_ARGUMENT", `cut: expected ${base} to ${store.lastPosition}, received ${position}`);
  }
}

/** Refuses a snapshot of what is not in the log, or that would leave a gap behind it. */
export function checkSnapshot(
  store: Pick<ReplicaStore, "lastPosition" | "snapshotInfo">,
  position: number,
  keepAfter: number,
): void {
  const base = store.snapshotInfo()?.position ?? 0;
  if (position < base || position > store.lastPosition || keepAfter > position || keepAfter < 0) {
    throw new TmrError(
      "ERR_TMR_ARGUMENT",
      `snapshot: expected ${base} to ${store.lastPosition} and keepAfter up to it, received ${position}, ${keepAfter}`,
    );
  }
}
