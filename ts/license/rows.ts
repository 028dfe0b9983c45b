/**
 * A table of rows of equal size in one piece of memory: what is asked of one entry lies side by side, so looking at it
 * costs one or two cache lines however many entries there are.
 */
import type { WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";

export class Rows {
  /** of one row */
  readonly #size: number;
  #words: Uint32Array;
  #capacity: number;

  /** `size` in words; new rows are zero. */
  constructor(size: number, capacity = 16) {
    this.#size = size;
    this.#capacity = capacity;
    this.#words = new Uint32Array(size * capacity);
  }

  /** The rows, one behind the other. Another array after {@link reserve}. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Makes sure that row `index` exists; true when the array is another one now. */
  reserve(index: number): boolean {
    if (index < this.#capacity) return false;
    this.#capacity = Math.max(index + 1, 2 * this.#capacity);
    const larger = new Uint32Array(this.#size * this.#capacity);
    larger.set(this.#words);
    this.#words = larger;
    return true;
  }

  /** Rows that there is memory for. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The first `count` rows as they are: what is in free rows is a function of the log like everything else. */
  write(count: number, out: WordWriter): void {
    out.words(this.#words, 0, count * this.#size);
  }

  read(count: number, input: WordReader): void {
    const at = input.skip(count * this.#size);
    this.reserve(count - 1);
    this.#words.set(input.words.subarray(at, at + count * this.#size));
  }
}
