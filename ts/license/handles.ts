/**
 * The handles: a table of slots. A handle's number is its slot and the generation of that slot, so it is found without
 * a search and is never given twice: a slot whose generations are used up is retired. The handles of one session are a
 * chain, in the order in which they were granted, that begins in the session's row.
 */
import { NONE } from "./records.js";
import { Rows } from "./rows.js";
import { SessionRow, type SessionTable } from "./sessions.js";
import { readSlots, writeSlots } from "./slot-list.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";
import { isSafeU64At, putU64At, u64At } from "./words.js";

const SLOT_RANGE = 2 ** 18;
/** Handles stay below 2^53. */
const LAST_GENERATION = 2 ** 35 - 1;

/** One row, in words. */
const Row = {
  /** u64 of the present or, in a free slot, of the next handle; beyond the last one: retired */
  generation: 0,
  /** the session's slot, -1 = not held */
  session: 2,
  pool: 3,
  seats: 4,
  mode: 5,
  next: 6,
  previous: 7,
  size: 8,
} as const;

export class HandleTable {
  readonly #sessions: SessionTable;
  readonly #rows = new Rows(Row.size, 64);
  /** a stack: the slot freed last is used first */
  #free: number[] = [];
  #slots = 0;
  #size = 0;

  constructor(sessions: SessionTable) {
    this.#sessions = sessions;
  }

  /** Handles that are held. */
  get size(): number {
    return this.#size;
  }

  /** Slots that were ever used. */
  get slots(): number {
    return this.#slots;
  }

  /** Handles of a session. */
  countOf(session: number): number {
    return this.#sessions.words[session * SessionRow.size + SessionRow.handles] as number;
  }

  handle(slot: number): number {
    return this.#generation(slot) * SLOT_RANGE + slot;
  }

  pool(slot: number): number {
    return this.#rows.words[slot * Row.size + Row.pool] as number;
  }

  seats(slot: number): number {
    return this.#rows.words[slot * Row.size + Row.seats] as number;
  }

  mode(slot: number): number {
    return this.#rows.words[slot * Row.size + Row.mode] as number;
  }

  /** The slot of a handle that this session holds, or -1: whether another one holds it cannot be told from outside. */
  find(handle: number, session: number): number {
    const slot = handle % SLOT_RANGE;
    return slot < this.#slots && this.#sessionOf(slot) === session && this.handle(slot) === handle ? slot : NONE;
  }

  /** The first handle of a session, or -1; {@link nextOf} goes on. */
  firstOf(session: number): number {
    return (this.#sessions.words[session * SessionRow.size + SessionRow.firstHandle] as number) | 0;
  }

  nextOf(slot: number): number {
    return (this.#rows.words[slot * Row.size + Row.next] as number) | 0;
  }

  grant(session: number, pool: number, seats: number, mode: number): number {
    const slot = this.#claim();
    const rows = this.#rows.words;
    const sessions = this.#sessions.words;
    const owner = session * SessionRow.size;
    const last = (sessions[owner + SessionRow.lastHandle] as number) | 0;
    const at = slot * Row.size;
    rows[at + Row.session] = session;
    rows[at + Row.pool] = pool;
    rows[at + Row.seats] = seats;
    rows[at + Row.mode] = mode;
    rows[at + Row.next] = NONE;
    rows[at + Row.previous] = last;
    if (last === NONE) sessions[owner + SessionRow.firstHandle] = slot;
    else rows[last * Row.size + Row.next] = slot;
    sessions[owner + SessionRow.lastHandle] = slot;
    sessions[owner + SessionRow.handles] = this.countOf(session) + 1;
    this.#size += 1;
    return slot;
  }

  release(slot: number): void {
    const rows = this.#rows.words;
    const sessions = this.#sessions.words;
    const at = slot * Row.size;
    const session = this.#sessionOf(slot);
    const owner = session * SessionRow.size;
    const next = this.nextOf(slot);
    const previous = (rows[at + Row.previous] as number) | 0;
    if (previous === NONE) sessions[owner + SessionRow.firstHandle] = next;
    else rows[previous * Row.size + Row.next] = next;
    if (next === NONE) sessions[owner + SessionRow.lastHandle] = previous;
    else rows[next * Row.size + Row.previous] = previous;
    sessions[owner + SessionRow.handles] = this.countOf(session) - 1;
    this.#size -= 1;
    rows[at + Row.session] = NONE;
    putU64At(rows, at + Row.generation, this.#generation(slot) + 1);
    if (this.#isUsable(slot)) this.#free.push(slot);
  }

  /** Words of all rows that were ever used. */
  get rowWords(): number {
    return this.#slots * Row.size;
  }

  write(out: WordWriter): void {
    out.u32(this.#slots);
    this.#rows.write(this.#slots, out);
    writeSlots(this.#free, out);
  }

  /** Reads into an empty table; the sessions have been read. `take` is told each handle, and refuses what cannot be. */
  read(input: WordReader, maxHandles: number, take: (slot: number) => void): void {
    this.#slots = input.count(Row.size);
    if (this.#slots > maxHandles) throw malformed(`${this.#slots} handle slots`);
    this.#rows.read(this.#slots, input);
    const { slots, marks } = readSlots(input, this.#slots);
    this.#free = slots;
    for (let session = 0; session < this.#sessions.slots; session++) {
      if (this.#sessions.isOpen(session)) this.#size += this.#checkChain(session, take);
    }
    let idle = 0;
    for (let slot = 0; slot < this.#slots; slot++) {
      if (!isSafeU64At(this.#rows.words, slot * Row.size + Row.generation)) throw malformed(`handle slot ${slot}`);
      if (this.#sessionOf(slot) !== NONE) continue;
      if ((marks[slot] === 1) !== this.#isUsable(slot)) throw malformed(`handle slot ${slot} is neither held nor free`);
      idle += 1;
    }
    if (idle + this.#size !== this.#slots) throw malformed("a handle is of no session");
    if (slots.some((slot) => this.#sessionOf(slot) !== NONE)) throw malformed("a free handle slot is held");
  }

  /** The handles of a session, each behind the one before it; so none can come twice. Returns how many they are. */
  #checkChain(session: number, take: (slot: number) => void): number {
    let count = 0;
    let before = NONE;
    for (let slot = this.firstOf(session); slot !== NONE; slot = this.nextOf(slot)) {
      const previous = ((this.#rows.words[slot * Row.size + Row.previous] as number) ?? 0) | 0;
      const sound = slot >= 0 && slot < this.#slots && this.#sessionOf(slot) === session && previous === before;
      if (!sound || !this.#isUsable(slot) || this.mode(slot) > 0xff) throw malformed(`handle slot ${slot}`);
      take(slot);
      before = slot;
      count += 1;
    }
    const last = (this.#sessions.words[session * SessionRow.size + SessionRow.lastHandle] as number) | 0;
    if (count !== this.countOf(session) || before !== last) throw malformed(`the handles of session slot ${session}`);
    return count;
  }

  /** A slot that can be given: its generations begin at 1 and are not used up. */
  #isUsable(slot: number): boolean {
    const generation = this.#generation(slot);
    return generation >= 1 && generation <= LAST_GENERATION;
  }

  #generation(slot: number): number {
    return u64At(this.#rows.words, slot * Row.size + Row.generation);
  }

  /** A slot for a new handle, its generation set. */
  #claim(): number {
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    const slot = this.#slots++;
    this.#rows.reserve(slot);
    putU64At(this.#rows.words, slot * Row.size + Row.generation, 1);
    return slot;
  }

  #sessionOf(slot: number): number {
    return (this.#rows.words[slot * Row.size + Row.session] as number) | 0;
  }
}
