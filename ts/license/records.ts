/**
 * Stored result records: 128 bytes each without their blob fields, and the few that are refusals with a sentence. Who
 * owns a slot says which comes next; the session and the number of the request stand in the record itself.
 */
import { Rows } from "./rows.js";
import { readSlots, writeSlots } from "./slot-list.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";
import { copyWords, isSafeU64At, RECORD_WORDS, ResultWord, u64At } from "./words.js";

export const NONE = -1;
const noText = Buffer.alloc(0);

/**
 * A stored record has no place of a blob; there stands which slot follows in the chain of its owner. So a record takes
 * two cache lines and no third.
 */
const NEXT = ResultWord.blobOffset;

export class RecordStore {
  readonly #rows = new Rows(RECORD_WORDS);
  /** only of records that have one */
  readonly #text = new Map<number, Buffer>();
  /** a stack: the slot freed last is used first */
  #free: number[] = [];
  #slots = 0;

  /** Records stored. */
  get size(): number {
    return this.#slots - this.#free.length;
  }

  /** Where records lie; {@link at} says where in it. Another array after {@link store}. Their blob offset is no such thing. */
  get words(): Uint32Array {
    return this.#rows.words;
  }

  /** The word at which the record in a slot begins. */
  at(slot: number): number {
    return slot * RECORD_WORDS;
  }

  /** Copies the record at word `at`, without its blob fields. `text` is kept as it is. Returns the slot. */
  store(source: Uint32Array, at: number, text: Buffer | null): number {
    const slot = this.#free.pop() ?? this.#slots++;
    this.#rows.reserve(slot);
    const to = slot * RECORD_WORDS;
    const { words } = this.#rows;
    copyWords(source, at, words, to, RECORD_WORDS);
    words[to + ResultWord.blobLength] = 0;
    words[to + NEXT] = NONE;
    if (text !== null && text.length > 0) this.#text.set(slot, text);
    return slot;
  }

  drop(slot: number): void {
    if (this.#text.size > 0) this.#text.delete(slot);
    this.#free.push(slot);
  }

  request(slot: number): number {
    return u64At(this.#rows.words, slot * RECORD_WORDS + ResultWord.request);
  }

  text(slot: number): Buffer {
    return this.#text.get(slot) ?? noText;
  }

  /** The slot that its owner put behind this one, or {@link NONE}. */
  next(slot: number): number {
    return (this.#rows.words[slot * RECORD_WORDS + NEXT] as number) | 0;
  }

  setNext(slot: number, next: number): void {
    this.#rows.words[slot * RECORD_WORDS + NEXT] = next;
  }

  /** Words of all rows that were ever used. */
  get rowWords(): number {
    return this.#slots * RECORD_WORDS;
  }

  write(out: WordWriter): void {
    out.u32(this.#slots);
    this.#rows.write(this.#slots, out);
    writeSlots(this.#free, out);
    out.u32(this.#text.size);
    for (const slot of [...this.#text.keys()].sort((a, b) => a - b)) {
      out.u32(slot);
      out.block(this.text(slot));
    }
  }

  /** Reads into an empty store. Its owner then checks its chains by {@link claim}. */
  read(input: WordReader): Unclaimed {
    this.#slots = input.count(RECORD_WORDS);
    this.#rows.read(this.#slots, input);
    const { slots, marks } = readSlots(input, this.#slots);
    this.#free = slots;
    let before = NONE;
    for (let count = input.count(2); count > 0; count--) {
      const slot = input.u32();
      const text = input.block();
      if (slot <= before || slot >= this.#slots || marks[slot] === 1 || text.length === 0) {
        throw malformed(`the text of record ${slot} is out of place`);
      }
      before = slot;
      this.#text.set(slot, text);
    }
    return { marks, left: this.size };
  }

  /** Takes a record that a snapshot has in a chain: it must be there, and in no other chain. */
  claim(slot: number, unclaimed: Unclaimed): void {
    if (slot < 0 || slot >= this.#slots || unclaimed.marks[slot] === 1) throw malformed(`record ${slot} is not there`);
    const { words } = this.#rows;
    const at = slot * RECORD_WORDS;
    if (!isSafeU64At(words, at + ResultWord.request) || words[at + ResultWord.blobLength] !== 0) {
      throw malformed(`record ${slot} is not as it would be stored`);
    }
    unclaimed.marks[slot] = 1;
    unclaimed.left -= 1;
  }
}

/** Which records of a snapshot have been found in a chain, or are free; and how many have not. */
export interface Unclaimed {
  readonly marks: Uint8Array;
  left: number;
}
