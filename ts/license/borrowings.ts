/**
 * What is known of a borrowed handle besides its row: by which key and under which terms it was borrowed, and when it
 * ends. It ends by calendar time, which is what the borrower's machine goes by.
 */
import { BORROW_KEY_BYTES } from "../wire/borrow.js";
import { HandleState } from "./handle-row.js";
import type { HandleTable } from "./handles.js";
import { NONE } from "./records.js";
import { TimeoutQueue } from "./timeouts.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";

export interface Borrowing {
  /** calendar time up to and including which it is borrowed */
  readonly untilMs: number;
  /** the license said so when it was borrowed, and so does the document */
  readonly isRevocable: boolean;
  /** Ed25519 public key, 32 bytes */
  readonly key: Buffer;
  /** SHA-256 of the terms, 32 bytes */
  readonly terms: Buffer;
}

const DIGEST_BYTES = 32;
/** Words of one entry of a snapshot. */
const ENTRY_WORDS = 20;

export class Borrowings {
  readonly #bySlot = new Map<number, Borrowing>();
  /** a key borrows once at a time: asked again, it gets what it has */
  readonly #byKey = new Map<string, number>();
  readonly #ends = new TimeoutQueue((slot) => this.#bySlot.get(slot)?.untilMs ?? 0);

  get size(): number {
    return this.#bySlot.size;
  }

  /** Of the handle in a slot, undefined when it is not borrowed. */
  get(slot: number): Borrowing | undefined {
    return this.#bySlot.get(slot);
  }

  /** The slot that this key has borrowed, or -1. */
  find(key: Buffer): number {
    return this.#byKey.get(key.toString("base64url")) ?? NONE;
  }

  /** The borrowed slot that ends first, of several the lowest, or -1. */
  firstToEnd(): number {
    return this.#bySlot.size === 0 ? NONE : this.#ends.first();
  }

  add(slot: number, borrowing: Borrowing): void {
    this.#bySlot.set(slot, borrowing);
    this.#byKey.set(borrowing.key.toString("base64url"), slot);
    this.#ends.add(slot, borrowing.untilMs);
  }

  delete(slot: number): void {
    this.#ends.remove(slot);
    this.#byKey.delete((this.#bySlot.get(slot) as Borrowing).key.toString("base64url"));
    this.#bySlot.delete(slot);
  }

  write(out: WordWriter): void {
    out.u32(this.#bySlot.size);
    for (const [slot, borrowing] of [...this.#bySlot].sort(([a], [b]) => a - b)) {
      out.u32(slot);
      writeBorrowing(borrowing, out);
    }
  }

  /** Reads into an empty table; the handles have been read. Throws ERR_TMR_STORE. */
  read(input: WordReader, handles: HandleTable, maxBorrowings: number): void {
    let before = NONE;
    const count = input.count(ENTRY_WORDS);
    if (count > maxBorrowings) throw malformed(`${count} borrowings`);
    for (let i = 0; i < count; i++) {
      const slot = input.u32();
      const untilMs = input.u64();
      const isRevocable = input.u32();
      const isSound =
        slot > before &&
        slot < handles.slots &&
        handles.state(slot) === HandleState.borrowed &&
        untilMs >= handles.sinceMs(slot) &&
        isRevocable <= 1;
      if (!isSound) throw malformed(`the borrowing of handle slot ${slot}`);
      const key = input.raw(BORROW_KEY_BYTES);
      if (this.find(key) !== NONE) throw malformed("one key has borrowed twice");
      this.add(slot, { untilMs, isRevocable: isRevocable === 1, key, terms: input.raw(DIGEST_BYTES) });
      before = slot;
    }
    for (let slot = 0; slot < handles.slots; slot++) {
      if (handles.state(slot) === HandleState.borrowed && !this.#bySlot.has(slot)) {
        throw malformed(`handle slot ${slot} is borrowed by nobody`);
      }
    }
  }
}

/** As it stands in a snapshot, behind its slot, and in the journal. */
export function writeBorrowing({ untilMs, isRevocable, key, terms }: Borrowing, out: WordWriter): void {
  out.u64(untilMs);
  out.u32(isRevocable ? 1 : 0);
  out.raw(key);
  out.raw(terms);
}
