/**
 * The store in memory, for the simulator and for tests. What a write call left behind when it returned (or when a
 * fault made it throw after the write) is what {@link MemoryStore.crash} hands to the next life.
 */
import { TmrError } from "../errors.js";
import {
  checkCut,
  checkEntries,
  checkSnapshot,
  type LogEntry,
  type ReplicaMeta,
  type ReplicaStore,
  type StoredSnapshot,
  type StoreOwner,
} from "./store.js";

/** When a write fails: before anything was written, or after all of it was, with the caller none the wiser. */
export type WriteFault = "before" | "after";

export interface MemoryStoreOptions extends StoreOwner {
  /** 16 bytes */
  readonly incarnation: Uint8Array;
  /** Asked for every write with its number from 1; an answer makes it fail that way. */
  readonly fault?: (write: number, operation: string) => WriteFault | null;
}

interface Durable {
  meta: ReplicaMeta;
  entries: LogEntry[];
  /** digest of the position before entries[0] */
  base: { position: number; digest: Uint8Array };
  snapshot: StoredSnapshot | null;
}

function copyMeta(meta: ReplicaMeta): ReplicaMeta {
  return {
    ...meta,
    incarnation: Uint8Array.from(meta.incarnation),
    members: Uint8Array.from(meta.members),
    stamp: Uint8Array.from(meta.stamp),
    statementDigest: meta.statementDigest === null ? null : Uint8Array.from(meta.statementDigest),
  };
}

/** {@link ReplicaStore} in memory. */
export class MemoryStore implements ReplicaStore {
  readonly #options: MemoryStoreOptions;
  readonly #durable: Durable;
  #writes = 0;
  #ended = false;

  constructor(options: MemoryStoreOptions, durable?: Durable) {
    this.#options = options;
    this.#durable = durable ?? {
      meta: copyMeta({
        promised: 0,
        logEpoch: 0,
        incarnation: options.incarnation,
        blank: true,
        members: new Uint8Array(48),
        stamp: new Uint8Array(32),
        statementVersion: 0,
        statementDigest: null,
      }),
      entries: [],
      base: { position: 0, digest: Uint8Array.from(options.genesisDigest) },
      snapshot: null,
    };
  }

  /** The same disk after a crash: this object is spent, the returned one holds everything written. */
  crash(fault?: MemoryStoreOptions["fault"]): MemoryStore {
    this.#ended = true;
    const { fault: _, ...rest } = this.#options;
    return new MemoryStore(fault === undefined ? rest : { ...rest, fault }, this.#durable);
  }

  /** Number of writes so far in this life. */
  get writes(): number {
    return this.#writes;
  }

  get lastPosition(): number {
    return this.#durable.base.position + this.#durable.entries.length;
  }

  get firstPosition(): number {
    return this.#durable.base.position + 1;
  }

  meta(): ReplicaMeta {
    this.#check();
    return this.#durable.meta;
  }

  writeMeta(patch: Partial<ReplicaMeta>): void {
    this.#write("writeMeta", () => {
      this.#durable.meta = copyMeta({ ...this.#durable.meta, ...patch });
    });
  }

  lastDigest(): Uint8Array {
    this.#check();
    return this.#durable.entries.at(-1)?.digest ?? this.#durable.base.digest;
  }

  digestAt(position: number): Uint8Array | null {
    this.#check();
    const { base, entries, snapshot } = this.#durable;
    if (position === base.position) return base.digest;
    if (position === 0) return this.#options.genesisDigest;
    if (position === snapshot?.position) return snapshot.digest;
    return entries[position - base.position - 1]?.digest ?? null;
  }

  append(entries: readonly LogEntry[]): void {
    checkEntries(this, entries);
    this.#write("append", () => {
      for (const { position, batch, digest } of entries) {
        this.#durable.entries.push({ position, batch: Buffer.from(batch), digest: Buffer.from(digest) });
      }
    });
  }

  read(after: number, maxBytes: number): Buffer[] {
    this.#check();
    const { base, entries } = this.#durable;
    const batches: Buffer[] = [];
    let bytes = 0;
    for (const { batch } of entries.slice(after - base.position)) {
      bytes += batch.length;
      if (bytes > maxBytes && batches.length > 0) break;
      batches.push(Buffer.from(batch));
    }
    return batches;
  }

  cut(position: number): void {
    checkCut(this, position);
    this.#write("cut", () => {
      this.#durable.entries.length = position - this.#durable.base.position;
    });
  }

  snapshot(): StoredSnapshot | null {
    this.#check();
    return this.#durable.snapshot;
  }

  snapshotInfo(): { position: number; byteLength: number } | null {
    const { snapshot } = this.#durable;
    return snapshot === null ? null : { position: snapshot.position, byteLength: snapshot.bytes.length };
  }

  writeSnapshot(position: number, digest: Uint8Array, bytes: Uint8Array, keepAfter: number): void {
    checkSnapshot(this, position, keepAfter);
    this.#write("writeSnapshot", () => {
      const durable = this.#durable;
      durable.snapshot = { position, digest: Buffer.from(digest), bytes: Buffer.from(bytes) };
      const drop = Math.max(0, keepAfter - durable.base.position);
      const last = durable.entries[drop - 1];
      if (last !== undefined) durable.base = { position: keepAfter, digest: last.digest };
      durable.entries.splice(0, drop);
    });
  }

  installSnapshot(position: number, digest: Uint8Array, bytes: Uint8Array): void {
    this.#write("installSnapshot", () => {
      const copy = { position, digest: Buffer.from(digest), bytes: Buffer.from(bytes) };
      this.#durable.snapshot = copy;
      this.#durable.entries = [];
      this.#durable.base = { position, digest: copy.digest };
    });
  }

  close(): void {
    this.#ended = true;
  }

  #check(): void {
    if (this.#ended) throw new TmrError("ERR_TMR_CLOSED", "the store is closed");
  }

  #write(operation: string, change: () => void): void {
    this.#check();
    this.#writes++;
    const fault = this.#options.fault?.(this.#writes, operation) ?? null;
    if (fault !== "before") change();
    if (fault === null) return;
    this.#ended = true;
    throw new TmrError("ERR_TMR_STORE_WRITE", `write ${this.#writes} (${operation}) failed`);
  }
}
