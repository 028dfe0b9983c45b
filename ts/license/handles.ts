/**
 * The handles: a table of slots. A handle's number is its slot and the generation of that slot, so it is found without
 * a search and is never given twice: a slot whose generations are used up is retired.
 */
import { grown } from "./bytes.js";

const SLOT_RANGE = 2 ** 18;
/** Handles stay below 2^53. */
const LAST_GENERATION = 2 ** 35 - 1;
const NONE = -1;

export class HandleTable {
  /** per slot: generation of the present or, for a free slot, of the next handle; beyond the last one: retired */
  #generation = new Float64Array(64);
  /** per slot: the session's slot, -1 = free */
  #session = new Int32Array(64);
  #pool = new Uint32Array(64);
  #seats = new Uint32Array(64);
  #mode = new Uint8Array(64);
  /** the handles of one session, in the order in which they were granted */
  #next = new Int32Array(64);
  #previous = new Int32Array(64);
  /** per session slot */
  #first = new Int32Array(16).fill(NONE);
  #last = new Int32Array(16).fill(NONE);
  #countOfSession = new Uint32Array(16);
  readonly #free: number[] = [];
  #slots = 0;
  #size = 0;

  /** Handles that are held. */
  get size(): number {
    return this.#size;
  }

  /** Slots that were ever used. */
  get slots(): number {
    return this.#slots;
  }

  /** Free slots, the next one to be used last. */
  get freeSlots(): readonly number[] {
    return this.#free;
  }

  countOf(session: number): number {
    return this.#countOfSession[session] ?? 0;
  }

  generation(slot: number): number {
    return this.#generation[slot] as number;
  }

  handle(slot: number): number {
    return (this.#generation[slot] as number) * SLOT_RANGE + slot;
  }

  pool(slot: number): number {
    return this.#pool[slot] as number;
  }

  seats(slot: number): number {
    return this.#seats[slot] as number;
  }

  mode(slot: number): number {
    return this.#mode[slot] as number;
  }

  /** The slot of a handle that this session holds, or -1: whether another one holds it cannot be told from outside. */
  find(handle: number, session: number): number {
    const slot = handle % SLOT_RANGE;
    return slot < this.#slots && this.#session[slot] === session && this.handle(slot) === handle ? slot : NONE;
  }

  /** The first handle of a session, or -1; {@link nextOf} goes on. */
  firstOf(session: number): number {
    return this.#first[session] ?? NONE;
  }

  nextOf(slot: number): number {
    return this.#next[slot] as number;
  }

  grant(session: number, pool: number, seats: number, mode: number): number {
    const slot = this.#free.pop() ?? this.#slots;
    this.place(slot, slot < this.#slots ? (this.#generation[slot] as number) : 1, session, pool, seats, mode);
    return slot;
  }

  /** Fills a given slot that is not held, behind the session's other handles: for restoring. */
  place(slot: number, generation: number, session: number, pool: number, seats: number, mode: number): void {
    this.placeFree(slot, generation);
    this.#reserveSession(session);
    this.#session[slot] = session;
    this.#pool[slot] = pool;
    this.#seats[slot] = seats;
    this.#mode[slot] = mode;
    const last = this.#last[session] as number;
    this.#next[slot] = NONE;
    this.#previous[slot] = last;
    if (last === NONE) this.#first[session] = slot;
    else this.#next[last] = slot;
    this.#last[session] = slot;
    this.#countOfSession[session] = this.countOf(session) + 1;
    this.#size += 1;
  }

  /** Gives a slot that is not held its generation; {@link pushFree} makes it usable. */
  placeFree(slot: number, generation: number): void {
    this.#reserve(slot);
    this.#generation[slot] = generation;
    this.#session[slot] = NONE;
    this.#slots = Math.max(this.#slots, slot + 1);
  }

  /** For restoring, in the order of {@link freeSlots}. */
  pushFree(slot: number): void {
    this.#free.push(slot);
  }

  isHeld(slot: number): boolean {
    return slot < this.#slots && this.#session[slot] !== NONE;
  }

  /** A slot that exists and can be given: its generations begin at 1 and are not used up. */
  isUsable(slot: number): boolean {
    const generation = this.#generation[slot] as number;
    return slot < this.#slots && generation >= 1 && generation <= LAST_GENERATION;
  }

  /** True when every slot is held, free or retired: whether a restored table is whole. */
  isComplete(): boolean {
    let retired = 0;
    for (let slot = 0; slot < this.#slots; slot++) if (!this.isUsable(slot)) retired += 1;
    return this.#size + this.#free.length + retired === this.#slots;
  }

  release(slot: number): void {
    const session = this.#session[slot] as number;
    const next = this.#next[slot] as number;
    const previous = this.#previous[slot] as number;
    if (previous === NONE) this.#first[session] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#last[session] = previous;
    else this.#previous[next] = previous;
    this.#countOfSession[session] = this.countOf(session) - 1;
    this.#size -= 1;
    this.#session[slot] = NONE;
    this.#generation[slot] = (this.#generation[slot] as number) + 1;
    if (this.isUsable(slot)) this.#free.push(slot);
  }

  #reserve(slot: number): void {
    if (slot < this.#session.length) return;
    const capacity = Math.max(slot + 1, 2 * this.#session.length);
    this.#generation = grown(this.#generation, capacity);
    this.#session = grown(this.#session, capacity);
    this.#pool = grown(this.#pool, capacity);
    this.#seats = grown(this.#seats, capacity);
    this.#mode = grown(this.#mode, capacity);
    this.#next = grown(this.#next, capacity);
    this.#previous = grown(this.#previous, capacity);
  }

  #reserveSession(session: number): void {
    const used = this.#first.length;
    if (session < used) return;
    const capacity = Math.max(session + 1, 2 * used);
    this.#first = grown(this.#first, capacity).fill(NONE, used);
    this.#last = grown(this.#last, capacity).fill(NONE, used);
    this.#countOfSession = grown(this.#countOfSession, capacity);
  }
}
