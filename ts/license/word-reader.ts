/** Reads what {@link WordWriter} wrote, from bytes that may be anything. */
import { TmrError } from "../errors.js";
import { isZero } from "../wire/bytes.js";
import { bytesOf, isSafeU64At, u64At, WORD_BYTES, wordsFor } from "./words.js";

/** Every method throws ERR_TMR_STORE when the bytes cannot be a snapshot. */
export class WordReader {
  readonly #words: Uint32Array;
  #at = 0;

  /** Copies `bytes`, which may lie anywhere. */
  constructor(bytes: Uint8Array) {
    if (bytes.length % WORD_BYTES !== 0) throw malformed("it does not end with a word");
    this.#words = new Uint32Array(bytes.length / WORD_BYTES);
    bytesOf(this.#words, 0, this.#words.length).set(bytes);
  }

  /** The whole snapshot as words, to be read at the place that {@link skip} gives. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Where the next `count` words begin. */
  skip(count: number): number {
    const at = this.#at;
    if (count > this.#words.length - at) throw malformed(`ends within a field at word ${at}`);
    this.#at += count;
    return at;
  }

  u32(): number {
    return this.#words[this.skip(1)] as number;
  }

  u64(): number {
    const at = this.skip(2);
    if (!isSafeU64At(this.#words, at)) throw malformed(`integer at word ${at} is above 2^53`);
    return u64At(this.#words, at);
  }

  /** A copy of `length` bytes, so that a small field does not keep a whole snapshot in memory. */
  raw(length: number): Buffer {
    const count = wordsFor(length);
    const bytes = bytesOf(this.#words, this.skip(count), count);
    if (!isZero(bytes, length, bytes.length)) throw malformed("a field is not filled up with zeros");
    return Buffer.from(bytes.subarray(0, length));
  }

  block(): Buffer {
    return this.raw(this.u32());
  }

  /** A number of entries that follow, each of at least `words`; so a wrong one cannot make a long loop. */
  count(words: number): number {
    const count = this.u32();
    if (count * words > this.#words.length - this.#at) throw malformed(`${count} entries do not fit`);
    return count;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#words.length;
  }

  /** Everything must have been read. */
  end(): void {
    if (this.#at !== this.#words.length) throw malformed(`${this.#words.length - this.#at} words too many`);
  }
}

/** The error for a snapshot that cannot be one. */
export function malformed(what: string): TmrError {
  return new TmrError("ERR_TMR_STORE", `license snapshot: ${what}`);
}
