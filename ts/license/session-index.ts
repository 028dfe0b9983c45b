/**
 * Finds a row by the 16 bytes of a session: a hash table with open addressing, one word per place. Clients choose these
 * bytes, so the hash is taken with multipliers that they do not know; they decide nothing but speed.
 */
import { SESSION_WORDS } from "./words.js";

const EMPTY = 0;
const SMALLEST_BITS = 6;

export class SessionIndex {
  /** words of a row, and where in it the session stands */
  readonly #rowWords: number;
  readonly #keyWord: number;
  readonly #m0: number;
  readonly #m1: number;
  readonly #m2: number;
  readonly #m3: number;
  /** row number + 1, or {@link EMPTY} */
  #places = new Uint32Array(2 ** SMALLEST_BITS);
  #shift = 32 - SMALLEST_BITS;
  #size = 0;

  constructor(rowWords: number, keyWord: number, seed: number) {
    this.#rowWords = rowWords;
    this.#keyWord = keyWord;
    this.#m0 = multiplier(seed, 0);
    this.#m1 = multiplier(seed, 1);
    this.#m2 = multiplier(seed, 2);
    this.#m3 = multiplier(seed, 3);
  }

  get size(): number {
    return this.#size;
  }

  /** The row whose session is the four words of `key` from `at` on, or -1. */
  find(rows: Uint32Array, key: Uint32Array, at: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    for (let place = this.#placeOf(key, at); ; place = (place + 1) & mask) {
      const found = places[place] as number;
      if (found === EMPTY) return -1;
      const row = (found - 1) * this.#rowWords + this.#keyWord;
      if (
        rows[row] === key[at] &&
        rows[row + 1] === key[at + 1] &&
        rows[row + 2] === key[at + 2] &&
        rows[row + 3] === key[at + 3]
      ) {
        return found - 1;
      }
    }
  }

  /** Adds a row whose session is in `rows` already and in no other row of the index. */
  add(rows: Uint32Array, row: number): void {
    this.#size += 1;
    if (2 * this.#size > this.#places.length) this.#grow(rows);
    this.#put(rows, row);
  }

  /** Takes a row out that is in; its session must still be in `rows`. */
  delete(rows: Uint32Array, row: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let hole = this.#homeOf(rows, row);
    while (places[hole] !== row + 1) hole = (hole + 1) & mask;
    // What comes behind moves up where it may, so that no search ends too early at the hole.
    for (let place = (hole + 1) & mask; places[place] !== EMPTY; place = (place + 1) & mask) {
      const home = this.#homeOf(rows, (places[place] as number) - 1);
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      places[hole] = places[place] as number;
      hole = place;
    }
    places[hole] = EMPTY;
    this.#size -= 1;
  }

  #put(rows: Uint32Array, row: number): void {
    const mask = this.#places.length - 1;
    let place = this.#homeOf(rows, row);
    while (this.#places[place] !== EMPTY) place = (place + 1) & mask;
    this.#places[place] = row + 1;
  }

  #grow(rows: Uint32Array): void {
    const before = this.#places;
    this.#places = new Uint32Array(2 * before.length);
    this.#shift -= 1;
    for (const found of before) if (found !== EMPTY) this.#put(rows, found - 1);
  }

  #homeOf(rows: Uint32Array, row: number): number {
    return this.#placeOf(rows, row * this.#rowWords + this.#keyWord);
  }

  #placeOf(words: Uint32Array, at: number): number {
    const sum =
      Math.imul(words[at] as number, this.#m0) +
      Math.imul(words[at + 1] as number, this.#m1) +
      Math.imul(words[at + 2] as number, this.#m2) +
      Math.imul(words[at + SESSION_WORDS - 1] as number, this.#m3);
    return sum >>> this.#shift;
  }
}

/** An odd number that depends on all bits of the seed. */
function multiplier(seed: number, index: number): number {
  let mixed = (seed + Math.imul(index + 1, 0x9e37_79b9)) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) | 1;
}
