/**
 * The disk of one upstream: a {@link MemoryStore} whose writes can fail before or after they are made, be slow, be
 * found damaged at the next start, or be lost whole. With `durable` off (a mutant) a write call returns before the
 * write is safe, and a crash takes back what was not synced yet.
 */
import { MemoryStore, type WriteFault } from "../../ts/store/memory-store.js";
import {
  type LogEntry,
  type ReplicaMeta,
  type ReplicaStore,
  StoreDamageError,
  type StoreOwner,
} from "../../ts/store/store.js";
import type { SimRules } from "./sim-rules.js";

export class Disk {
  /** How the next write fails, once. */
  nextFault: WriteFault | null = null;
  /** Altered bytes that the next start will find. */
  damaged = false;
  latencyMs = 0;
  readonly #owner: StoreOwner;
  readonly #durable: boolean;
  readonly #blankAbstains: boolean;
  readonly #newIncarnation: () => Uint8Array;
  #store: MemoryStore;
  /** With `durable` off: everything written since the disk was new, and how much of it is safe. */
  #history: ((store: MemoryStore) => void)[] = [];
  #safe = 0;
  #writes = 0;

  constructor(owner: StoreOwner, rules: SimRules, newIncarnation: () => Uint8Array) {
    this.#owner = owner;
    this.#durable = rules.fsyncBeforeReply;
    this.#blankAbstains = rules.blankAbstains;
    this.#newIncarnation = newIncarnation;
    this.#store = this.#blank();
  }

  /** The store as it is now, for the observer only. */
  get store(): MemoryStore {
    return this.#store;
  }

  /** Writes since the last call. */
  takeWrites(): number {
    const writes = this.#writes;
    this.#writes = 0;
    return writes;
  }

  /** What a starting process finds. */
  open(): ReplicaStore {
    if (this.damaged) throw new StoreDamageError("a stored row is not what was written");
    this.#store = this.#store.crash(this.#fault);
    return this.#durable ? this.#store : this.#lazy(this.#store);
  }

  /** An empty disk takes the place of this one. */
  replace(): void {
    const { incarnation, members } = this.#store.meta();
    this.damaged = false;
    this.#store.close();
    this.#history = [];
    this.#safe = 0;
    if (this.#blankAbstains) {
      this.#store = this.#blank();
    } else {
      this.#store = new MemoryStore({ ...this.#owner, incarnation, fault: this.#fault });
      this.#store.writeMeta({ blank: false, members });
    }
  }

  /** Everything written so far is safe from now on. */
  sync(): void {
    this.#safe = this.#history.length;
  }

  /** The machine stopped: what was not safe is gone. */
  powerLost(): void {
    this.#store = this.#store.crash(this.#fault);
    if (this.#durable || this.#safe === this.#history.length) return;
    const incarnation = this.#store.meta().incarnation;
    this.#store.close();
    this.#history.length = this.#safe;
    this.#store = new MemoryStore({ ...this.#owner, incarnation, fault: this.#fault });
    for (const write of this.#history) write(this.#store);
  }

  #blank(): MemoryStore {
    return new MemoryStore({ ...this.#owner, incarnation: this.#newIncarnation(), fault: this.#fault });
  }

  readonly #fault = (): WriteFault | null => {
    this.#writes++;
    // A disk that says too early that a write is safe does not fail writes.
    const fault = this.#durable ? this.nextFault : null;
    this.nextFault = null;
    return fault;
  };

  #lazy(store: MemoryStore): ReplicaStore {
    const written = (write: (to: MemoryStore) => void): void => {
      write(store);
      this.#history.push(write);
    };
    return {
      meta: () => store.meta(),
      writeMeta: (patch: Partial<ReplicaMeta>) => written((to) => to.writeMeta(patch)),
      get lastPosition() {
        return store.lastPosition;
      },
      get firstPosition() {
        return store.firstPosition;
      },
      lastDigest: () => store.lastDigest(),
      digestAt: (position) => store.digestAt(position),
      append: (entries: readonly LogEntry[]) => {
        const copies = entries.map((entry) => ({ ...entry, batch: Buffer.from(entry.batch) }));
        written((to) => to.append(copies));
      },
      read: (after, maxBytes) => store.read(after, maxBytes),
      cut: (position) => written((to) => to.cut(position)),
      snapshot: () => store.snapshot(),
      snapshotInfo: () => store.snapshotInfo(),
      writeSnapshot: (position, digest, bytes, keepAfter) =>
        written((to) => to.writeSnapshot(position, digest, bytes, keepAfter)),
      installSnapshot: (position, digest, bytes) => written((to) => to.installSnapshot(position, digest, bytes)),
      close: () => store.close(),
    };
  }
}
