/**
 * The stored results that make requests exactly-once (protocol.md rule 6): per session those at and above
 * `answeredBelow`, in chains ascending by request number. Which slot a result lies in is not part of the state.
 */
import { RESULT_BYTES, ResultField } from "../wire/result.js";
import { grown } from "./bytes.js";

const CHUNK_SHIFT = 10;
const CHUNK_RECORDS = 1 << CHUNK_SHIFT;
const NONE = -1;
const noText = Buffer.alloc(0);

export class ResultStore {
  /** records of 128 bytes, in chunks so that growing copies nothing */
  readonly #chunks: Buffer[] = [];
  readonly #text: Buffer[] = [];
  #request = new Float64Array(CHUNK_RECORDS);
  #next = new Int32Array(CHUNK_RECORDS);
  /** per session slot */
  #first = new Int32Array(16).fill(NONE);
  #last = new Int32Array(16).fill(NONE);
  readonly #free: number[] = [];
  #slots = 0;
  #size = 0;

  /** Results stored, over all sessions. */
  get size(): number {
    return this.#size;
  }

  /** The first stored result of a session, or -1; {@link nextOf} goes on. */
  firstOf(session: number): number {
    return this.#first[session] ?? NONE;
  }

  nextOf(slot: number): number {
    return this.#next[slot] as number;
  }

  request(slot: number): number {
    return this.#request[slot] as number;
  }

  /** The record: a view of 128 bytes. Its blob fields are zero. */
  record(slot: number): Buffer {
    const at = (slot % CHUNK_RECORDS) * RESULT_BYTES;
    return (this.#chunks[slot >> CHUNK_SHIFT] as Buffer).subarray(at, at + RESULT_BYTES);
  }

  text(slot: number): Buffer {
    return this.#text[slot] as Buffer;
  }

  /** The stored result of this request, or -1. A new request costs one comparison. */
  find(session: number, request: number): number {
    const last = this.#last[session] ?? NONE;
    if (last === NONE || (this.#request[last] as number) < request) return NONE;
    for (let slot = this.firstOf(session); slot !== NONE; slot = this.nextOf(slot)) {
      const stored = this.request(slot);
      if (stored >= request) return stored === request ? slot : NONE;
    }
    return NONE;
  }

  /** Stores a copy of 128 bytes of `source` without their blob fields; the request must not be stored yet. */
  store(session: number, request: number, source: Buffer, offset: number, text: Buffer | null): void {
    const slot = this.#claim();
    const at = (slot % CHUNK_RECORDS) * RESULT_BYTES;
    const chunk = this.#chunks[slot >> CHUNK_SHIFT] as Buffer;
    source.copy(chunk, at, offset, offset + RESULT_BYTES);
    chunk.fill(0, at + ResultField.blobOffset, at + ResultField.blobLength + 4);
    this.#text[slot] = text ?? noText;
    this.#request[slot] = request;
    this.#reserveSession(session);
    const last = this.#last[session] as number;
    if (last === NONE || (this.#request[last] as number) < request) {
      this.#next[slot] = NONE;
      if (last === NONE) this.#first[session] = slot;
      else this.#next[last] = slot;
      this.#last[session] = slot;
      return;
    }
    let before = NONE;
    let after = this.#first[session] as number;
    while ((this.#request[after] as number) < request) {
      before = after;
      after = this.#next[after] as number;
    }
    this.#next[slot] = after;
    if (before === NONE) this.#first[session] = slot;
    else this.#next[before] = slot;
  }

  /** Drops the results of requests below `request`. */
  dropBelow(session: number, request: number): void {
    let slot = this.firstOf(session);
    while (slot !== NONE && (this.#request[slot] as number) < request) {
      const next = this.#next[slot] as number;
      this.#text[slot] = noText;
      this.#free.push(slot);
      this.#size -= 1;
      slot = next;
    }
    if (session >= this.#first.length) return;
    this.#first[session] = slot;
    if (slot === NONE) this.#last[session] = NONE;
  }

  #claim(): number {
    this.#size += 1;
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    const slot = this.#slots++;
    if (slot % CHUNK_RECORDS === 0) this.#chunks.push(Buffer.alloc(CHUNK_RECORDS * RESULT_BYTES));
    if (slot >= this.#next.length) {
      this.#request = grown(this.#request, 2 * slot);
      this.#next = grown(this.#next, 2 * slot);
    }
    return slot;
  }

  #reserveSession(session: number): void {
    const used = this.#first.length;
    if (session < used) return;
    const capacity = Math.max(session + 1, 2 * used);
    this.#first = grown(this.#first, capacity).fill(NONE, used);
    this.#last = grown(this.#last, capacity).fill(NONE, used);
  }
}
