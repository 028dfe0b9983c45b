/** The open sessions: a table of slots, found by the 16 bytes of the session. */
import { SESSION_BYTES } from "../wire/request.js";
import { grown } from "./bytes.js";
import { TimeoutQueue } from "./timeouts.js";

/** 16 bytes of a session as a string of 16 characters: what maps are keyed by. */
export function sessionKey(bytes: Buffer, offset: number): string {
  return bytes.toString("latin1", offset, offset + SESSION_BYTES);
}

export class SessionTable {
  readonly #slotOfKey = new Map<string, number>();
  /** per slot; "" marks a free one */
  readonly #keys: string[] = [];
  /** per slot: the four names of openSession as they came */
  readonly #names: Buffer[] = [];
  #timeoutMs = new Uint32Array(16);
  #deadline = new Float64Array(16);
  #answeredBelow = new Float64Array(16);
  /** a stack: the slot freed last is used first */
  readonly #free: number[] = [];
  readonly #timeouts = new TimeoutQueue();

  /** Open sessions. */
  get size(): number {
    return this.#slotOfKey.size;
  }

  /** Slots that were ever used. */
  get slots(): number {
    return this.#keys.length;
  }

  /** Free slots, the next one to be used last. */
  get freeSlots(): readonly number[] {
    return this.#free;
  }

  /** The slot of a session, or -1. */
  find(key: string): number {
    return this.#slotOfKey.get(key) ?? -1;
  }

  isOpen(slot: number): boolean {
    return this.#keys[slot] !== "" && this.#keys[slot] !== undefined;
  }

  key(slot: number): string {
    return this.#keys[slot] as string;
  }

  names(slot: number): Buffer {
    return this.#names[slot] as Buffer;
  }

  timeoutMs(slot: number): number {
    return this.#timeoutMs[slot] as number;
  }

  /** Log time at which the session may be ended. */
  deadline(slot: number): number {
    return this.#deadline[slot] as number;
  }

  /** Every request below this number has been answered to the client. */
  answeredBelow(slot: number): number {
    return this.#answeredBelow[slot] as number;
  }

  open(key: string, names: Buffer, timeoutMs: number, deadline: number, answeredBelow: number): number {
    const slot = this.#free.pop() ?? this.#keys.length;
    this.place(slot, key, names, timeoutMs, deadline, answeredBelow);
    return slot;
  }

  /** {@link open} in a given slot that is not open: for restoring. */
  place(slot: number, key: string, names: Buffer, timeoutMs: number, deadline: number, answeredBelow: number): void {
    this.#reserve(slot);
    this.#keys[slot] = key;
    this.#names[slot] = names;
    this.#timeoutMs[slot] = timeoutMs;
    this.#deadline[slot] = deadline;
    this.#answeredBelow[slot] = answeredBelow;
    this.#slotOfKey.set(key, slot);
    this.#timeouts.add(slot, deadline);
  }

  /** Makes a free slot known that nothing was placed in: for restoring, in the order of {@link freeSlots}. */
  placeFree(slot: number): void {
    this.#reserve(slot);
    this.#keys[slot] = "";
    this.#free.push(slot);
  }

  close(slot: number): void {
    this.#slotOfKey.delete(this.key(slot));
    this.#timeouts.remove(slot);
    this.#keys[slot] = "";
    this.#names[slot] = noNames;
    this.#free.push(slot);
  }

  setDeadline(slot: number, deadline: number): void {
    this.#deadline[slot] = deadline;
  }

  setAnsweredBelow(slot: number, answeredBelow: number): void {
    this.#answeredBelow[slot] = answeredBelow;
  }

  /** The slot that times out first, or -1. */
  firstToTimeOut(): number {
    return this.#timeouts.first(this.#deadline);
  }

  #reserve(slot: number): void {
    if (slot >= this.#deadline.length) {
      const capacity = Math.max(slot + 1, 2 * this.#deadline.length);
      this.#timeoutMs = grown(this.#timeoutMs, capacity);
      this.#deadline = grown(this.#deadline, capacity);
      this.#answeredBelow = grown(this.#answeredBelow, capacity);
    }
    while (this.#keys.length <= slot) {
      this.#keys.push("");
      this.#names.push(noNames);
    }
  }
}

const noNames = Buffer.alloc(0);
