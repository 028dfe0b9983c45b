/**
 * The last result of sessions that are not open: closed ones, and openings that were refused. A client whose answer was
 * lost asks again and must get the same answer; there is no session any more that could keep it. Bounded: the oldest
 * goes first, so after very many other sessions ended a repeat is answered `session-unknown`.
 */
import { NONE, RecordStore } from "./records.js";
import { SessionIndex } from "./session-index.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";
import { ResultWord } from "./words.js";

export class EndedSessions {
  readonly #limit: number;
  readonly records = new RecordStore();
  readonly #index: SessionIndex;
  /** oldest first; per slot the one before it */
  #first = NONE;
  #last = NONE;
  readonly #previous: number[] = [];

  constructor(limit: number, seed: number) {
    this.#limit = limit;
    this.#index = new SessionIndex(this.records.at(1), ResultWord.session, seed);
  }

  get size(): number {
    return this.#index.size;
  }

  /** The slot in {@link records} of the session at word `at` of `key`, or -1. */
  find(key: Uint32Array, at: number): number {
    return this.#index.find(this.records.words, key, at);
  }

  /** Keeps the result at word `at`, which names its session; an earlier one of that session goes. */
  add(source: Uint32Array, at: number, text: Buffer | null): void {
    this.delete(source, at + ResultWord.session);
    const slot = this.records.store(source, at, text);
    this.#index.add(this.records.words, slot);
    this.#previous[slot] = this.#last;
    if (this.#last === NONE) this.#first = slot;
    else this.records.setNext(this.#last, slot);
    this.#last = slot;
    if (this.size > this.#limit) this.#remove(this.#first);
  }

  delete(key: Uint32Array, at: number): void {
    if (this.size === 0) return;
    const slot = this.find(key, at);
    if (slot !== NONE) this.#remove(slot);
  }

  write(out: WordWriter): void {
    this.records.write(out);
    out.u32(this.#first);
  }

  /** Reads into an empty table. */
  read(input: WordReader): void {
    const { records } = this;
    const unclaimed = records.read(input);
    if (unclaimed.left > this.#limit) throw malformed(`${unclaimed.left} ended sessions`);
    this.#first = input.u32() | 0;
    for (let slot = this.#first; slot !== NONE; slot = records.next(slot)) {
      records.claim(slot, unclaimed);
      if (this.find(records.words, records.at(slot) + ResultWord.session) !== NONE)
        throw malformed("a session ended twice");
      this.#index.add(records.words, slot);
      this.#previous[slot] = this.#last;
      this.#last = slot;
    }
    if (unclaimed.left > 0) throw malformed("an ended session is in no order");
  }

  #remove(slot: number): void {
    const next = this.records.next(slot);
    const previous = this.#previous[slot] as number;
    if (previous === NONE) this.#first = next;
    else this.records.setNext(previous, next);
    if (next === NONE) this.#last = previous;
    else this.#previous[next] = previous;
    this.#index.delete(this.records.words, slot);
    this.records.drop(slot);
  }
}
