/** The open sessions: a table of slots, found by the 16 bytes of the session. */
import { isIdentity } from "./party.js";
import { NONE } from "./records.js";
import { Rows } from "./rows.js";
import { SessionIndex } from "./session-index.js";
import { readSlots, writeSlots } from "./slot-list.js";
import { TimeoutQueue } from "./timeouts.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";
import { copyWords, isSafeU64At, putU64At, SESSION_WORDS, u64At } from "./words.js";

/** One row, in words. What a slot holds in other tables begins here too. */
export const SessionRow = {
  session: 0,
  /** u64 log time at which the session may be ended */
  deadline: 4,
  /** u64 every request below this number has been answered to the client */
  answeredBelow: 6,
  timeoutMs: 8,
  /** 1 = open */
  open: 9,
  /** first and last handle slot, -1 = none; how many */
  firstHandle: 10,
  lastHandle: 11,
  handles: 12,
  /** first and last slot of the stored results, -1 = none */
  firstResult: 13,
  lastResult: 14,
  size: 16,
} as const;

const nobody = Buffer.alloc(0);

export class SessionTable {
  readonly #rows = new Rows(SessionRow.size);
  readonly #index: SessionIndex;
  /** per slot: address and names, see party.ts */
  readonly #identities: Buffer[] = [];
  /** a stack: the slot freed last is used first */
  #free: number[] = [];
  readonly #timeouts = new TimeoutQueue((slot) => this.deadline(slot));

  constructor(seed: number) {
    this.#index = new SessionIndex(SessionRow.size, SessionRow.session, seed);
  }

  /** The rows, {@link SessionRow} words each; another array after a session was opened. */
  get words(): Uint32Array {
    return this.#rows.words;
  }

  /** Open sessions. */
  get size(): number {
    return this.#index.size;
  }

  /** Slots that were ever used. */
  get slots(): number {
    return this.#identities.length;
  }

  /** The slot of the session in the four words of `key` from `at` on, or -1. */
  find(key: Uint32Array, at: number): number {
    return this.#index.find(this.#rows.words, key, at);
  }

  isOpen(slot: number): boolean {
    return this.#rows.words[slot * SessionRow.size + SessionRow.open] === 1;
  }

  timeoutMs(slot: number): number {
    return this.#rows.words[slot * SessionRow.size + SessionRow.timeoutMs] as number;
  }

  deadline(slot: number): number {
    return u64At(this.#rows.words, slot * SessionRow.size + SessionRow.deadline);
  }

  /** Address and names of whom the session is of. */
  identity(slot: number): Buffer {
    return this.#identities[slot] as Buffer;
  }

  answeredBelow(slot: number): number {
    return u64At(this.#rows.words, slot * SessionRow.size + SessionRow.answeredBelow);
  }

  /** Opens the session in the four words of `key` from `at` on. Returns its slot. */
  open(key: Uint32Array, at: number, identity: Buffer, timeoutMs: number, deadline: number, below: number): number {
    const slot = this.#free.pop() ?? this.slots;
    this.#rows.reserve(slot);
    const { words } = this.#rows;
    const row = slot * SessionRow.size;
    copyWords(key, at, words, row + SessionRow.session, SESSION_WORDS);
    putU64At(words, row + SessionRow.deadline, deadline);
    putU64At(words, row + SessionRow.answeredBelow, below);
    words[row + SessionRow.timeoutMs] = timeoutMs;
    words[row + SessionRow.open] = 1;
    words[row + SessionRow.firstHandle] = NONE;
    words[row + SessionRow.lastHandle] = NONE;
    words[row + SessionRow.handles] = 0;
    words[row + SessionRow.firstResult] = NONE;
    words[row + SessionRow.lastResult] = NONE;
    this.#identities[slot] = identity;
    this.#index.add(words, slot);
    this.#timeouts.add(slot, deadline);
    return slot;
  }

  close(slot: number): void {
    const { words } = this.#rows;
    this.#index.delete(words, slot);
    this.#timeouts.remove(slot);
    words[slot * SessionRow.size + SessionRow.open] = 0;
    this.#identities[slot] = nobody;
    this.#free.push(slot);
  }

  setDeadline(slot: number, deadline: number): void {
    putU64At(this.#rows.words, slot * SessionRow.size + SessionRow.deadline, deadline);
  }

  setAnsweredBelow(slot: number, answeredBelow: number): void {
    putU64At(this.#rows.words, slot * SessionRow.size + SessionRow.answeredBelow, answeredBelow);
  }

  /** The slot that times out first, or -1. */
  firstToTimeOut(): number {
    return this.#timeouts.first();
  }

  /** Words of all rows that were ever used. */
  get rowWords(): number {
    return this.slots * SessionRow.size;
  }

  write(out: WordWriter): void {
    const { slots } = this;
    out.u32(slots);
    this.#rows.write(slots, out);
    writeSlots(this.#free, out);
    for (const identity of this.#identities) out.block(identity);
  }

  /** Reads into an empty table; what the rows say of handles and results is for those tables to check. */
  read(input: WordReader, maxSessions: number): void {
    const slots = input.count(SessionRow.size);
    if (slots > maxSessions) throw malformed(`${slots} session slots`);
    this.#rows.read(slots, input);
    const free = readSlots(input, slots);
    this.#free = free.slots;
    const { words } = this.#rows;
    for (let slot = 0; slot < slots; slot++) {
      this.#identities[slot] = input.block();
      const at = slot * SessionRow.size;
      if (words[at + SessionRow.open] !== (free.marks[slot] === 1 ? 0 : 1)) throw malformed(`session slot ${slot}`);
      if (free.marks[slot] === 1) continue;
      if (!isIdentity(this.identity(slot))) throw malformed(`the names of session slot ${slot}`);
      if (!isSafeU64At(words, at + SessionRow.deadline) || !isSafeU64At(words, at + SessionRow.answeredBelow)) {
        throw malformed(`an integer of session slot ${slot} is above 2^53`);
      }
      if (this.find(words, at + SessionRow.session) !== NONE) throw malformed("a session is open twice");
      this.#index.add(words, slot);
      this.#timeouts.add(slot, this.deadline(slot));
    }
  }
}
