/**
 * The handles: a table of slots. A handle's number is its slot and the generation of that slot, so it is found without
 * a search and is never given twice: a slot whose generations are used up is retired. The handles of one session are a
 * chain, in the order in which they were asked for, that begins in the session's row. A second pair of links joins
 * handles of one purpose over all sessions: those that wait for one license, that linger, that share a seat.
 */
import { type Chain, newChain } from "./chain.js";
import { checkHandles } from "./handle-check.js";
import { HandleState, HandleRow as Row } from "./handle-row.js";
import { ModuleHandles } from "./module-handles.js";
import { NONE } from "./records.js";
import { Rows } from "./rows.js";
import { SessionRow, type SessionTable } from "./sessions.js";
import { readSlots, writeSlots } from "./slot-list.js";
import { TimeoutQueue } from "./timeouts.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";
import { putU64At, u64At } from "./words.js";

const SLOT_RANGE = 2 ** 18;
/** Handles stay below 2^53. */
const LAST_GENERATION = 2 ** 35 - 1;

const nobody = Buffer.alloc(0);

export class HandleTable {
  readonly #sessions: SessionTable;
  readonly #rows = new Rows(Row.size, 64);
  /** a stack: the slot freed last is used first */
  #free: number[] = [];
  #slots = 0;
  #size = 0;
  /** who had a handle that is of no session any more */
  readonly #identities = new Map<number, Buffer>();
  /** which handles are of a module */
  readonly modules = new ModuleHandles();
  readonly #timeouts = new TimeoutQueue((slot) => this.deadline(slot));
  /** Handles that were taken away and whose client may not know it yet, oldest first. */
  readonly lost = newChain();

  constructor(sessions: SessionTable) {
    this.#sessions = sessions;
  }

  /** Slots in use, whatever for. */
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

  /** Seats taken; of a handle that waits, the seats that it waits for. */
  seats(slot: number): number {
    return this.#rows.words[slot * Row.size + Row.seats] as number;
  }

  mode(slot: number): number {
    return (this.#rows.words[slot * Row.size + Row.mode] as number) & 0xff;
  }

  /** One of {@link HandleState}. */
  state(slot: number): number {
    return (this.#rows.words[slot * Row.size + Row.mode] as number) >>> 8;
  }

  /** Calendar time at which it got its seats, or began to wait. */
  sinceMs(slot: number): number {
    return u64At(this.#rows.words, slot * Row.size + Row.since);
  }

  /** Log time up to which it waits or lingers, 0 = none. */
  deadline(slot: number): number {
    return u64At(this.#rows.words, slot * Row.size + Row.deadline);
  }

  /** Number of the rule of the access list that counts its seats, 0 = none. */
  rule(slot: number): number {
    return this.#rows.words[slot * Row.size + Row.rule] as number;
  }

  /** Feature bits that were asked for: kept while it waits. */
  featureMap(slot: number): number {
    return this.#rows.words[slot * Row.size + Row.featureMap] as number;
  }

  /** The session's slot, -1 = of none. */
  session(slot: number): number {
    return (this.#rows.words[slot * Row.size + Row.session] as number) | 0;
  }

  /** Address and names of whom the handle is or was of. */
  identity(slot: number): Buffer {
    const session = this.session(slot);
    return session === NONE ? (this.#identities.get(slot) ?? nobody) : this.#sessions.identity(session);
  }

  /** The slot of a handle that this session has, or -1: whether another one has it cannot be told from outside. */
  find(handle: number, session: number): number {
    const slot = this.findAny(handle);
    return slot !== NONE && this.session(slot) === session ? slot : NONE;
  }

  /** The slot of a handle, whoever has it, or -1. */
  findAny(handle: number): number {
    const slot = handle % SLOT_RANGE;
    const isThere = slot < this.#slots && this.handle(slot) === handle && this.state(slot) !== HandleState.free;
    return isThere ? slot : NONE;
  }

  /** The first handle of a session, or -1; {@link nextOf} goes on. */
  firstOf(session: number): number {
    return (this.#sessions.words[session * SessionRow.size + SessionRow.firstHandle] as number) | 0;
  }

  nextOf(slot: number): number {
    return (this.#rows.words[slot * Row.size + Row.next] as number) | 0;
  }

  /** The next of the same purpose, or -1. */
  nextPeer(slot: number): number {
    return (this.#rows.words[slot * Row.size + Row.nextPeer] as number) | 0;
  }

  previousPeer(slot: number): number {
    return (this.#rows.words[slot * Row.size + Row.previousPeer] as number) | 0;
  }

  /** The slot that is due first, of several the lowest, or -1. */
  firstDue(): number {
    return this.#timeouts.first();
  }

  /** A new handle of a session. Returns its slot. */
  add(session: number, pool: number, seats: number, mode: number, state: number, sinceMs: number): number {
    const slot = this.#claim();
    const rows = this.#rows.words;
    const sessions = this.#sessions.words;
    const owner = session * SessionRow.size;
    const last = (sessions[owner + SessionRow.lastHandle] as number) | 0;
    const at = slot * Row.size;
    rows[at + Row.session] = session;
    rows[at + Row.pool] = pool;
    rows[at + Row.seats] = seats;
    rows[at + Row.mode] = mode | (state << 8);
    rows[at + Row.next] = NONE;
    rows[at + Row.previous] = last;
    rows[at + Row.nextPeer] = NONE;
    rows[at + Row.previousPeer] = NONE;
    putU64At(rows, at + Row.since, sinceMs);
    rows[at + Row.deadline] = 0;
    rows[at + Row.deadline + 1] = 0;
    rows[at + Row.rule] = 0;
    rows[at + Row.featureMap] = 0;
    if (last === NONE) sessions[owner + SessionRow.firstHandle] = slot;
    else rows[last * Row.size + Row.next] = slot;
    sessions[owner + SessionRow.lastHandle] = slot;
    sessions[owner + SessionRow.handles] = this.countOf(session) + 1;
    this.#size += 1;
    return slot;
  }

  /** Leaves its session without being free: it is told apart by its state, and keeps whom it was of. */
  detach(slot: number): void {
    const identity = this.identity(slot);
    this.#leaveSession(slot);
    this.#identities.set(slot, identity);
  }

  /** Makes the slot free; it must be of no purpose any more. */
  free(slot: number): void {
    if (this.session(slot) === NONE) this.#identities.delete(slot);
    else this.#leaveSession(slot);
    if (this.deadline(slot) !== 0) this.setDeadline(slot, 0);
    this.#size -= 1;
    this.setState(slot, HandleState.free);
    this.modules.delete(slot);
    putU64At(this.#rows.words, slot * Row.size + Row.generation, this.#generation(slot) + 1);
    if (this.isUsable(slot)) this.#free.push(slot);
  }

  setState(slot: number, state: number): void {
    this.#rows.words[slot * Row.size + Row.mode] = this.mode(slot) | (state << 8);
  }

  setSeats(slot: number, seats: number): void {
    this.#rows.words[slot * Row.size + Row.seats] = seats;
  }

  setSince(slot: number, sinceMs: number): void {
    putU64At(this.#rows.words, slot * Row.size + Row.since, sinceMs);
  }

  setRule(slot: number, rule: number): void {
    this.#rows.words[slot * Row.size + Row.rule] = rule;
  }

  setFeatureMap(slot: number, featureMap: number): void {
    this.#rows.words[slot * Row.size + Row.featureMap] = featureMap;
  }

  /** 0 = none. */
  setDeadline(slot: number, deadline: number): void {
    if (this.deadline(slot) !== 0) this.#timeouts.remove(slot);
    putU64At(this.#rows.words, slot * Row.size + Row.deadline, deadline);
    if (deadline !== 0) this.#timeouts.add(slot, deadline);
  }

  /** Puts a handle behind all others of a purpose; `next` is the one that follows already in a snapshot. */
  link(chain: Chain, slot: number, next: number = NONE): void {
    const rows = this.#rows.words;
    rows[slot * Row.size + Row.previousPeer] = chain.last;
    rows[slot * Row.size + Row.nextPeer] = next;
    if (chain.last === NONE) chain.first = slot;
    else rows[chain.last * Row.size + Row.nextPeer] = slot;
    chain.last = slot;
    chain.size += 1;
  }

  unlink(chain: Chain, slot: number): void {
    const rows = this.#rows.words;
    const next = this.nextPeer(slot);
    const previous = this.previousPeer(slot);
    if (previous === NONE) chain.first = next;
    else rows[previous * Row.size + Row.nextPeer] = next;
    if (next === NONE) chain.last = previous;
    else rows[next * Row.size + Row.previousPeer] = previous;
    rows[slot * Row.size + Row.nextPeer] = NONE;
    rows[slot * Row.size + Row.previousPeer] = NONE;
    chain.size -= 1;
  }

  /** Words of all rows that were ever used. */
  get rowWords(): number {
    return this.#slots * Row.size;
  }

  write(out: WordWriter): void {
    out.u32(this.#slots);
    this.#rows.write(this.#slots, out);
    writeSlots(this.#free, out);
    out.u32(this.#identities.size);
    for (const slot of [...this.#identities.keys()].sort((a, b) => a - b)) {
      out.u32(slot);
      out.block(this.identity(slot));
    }
    this.modules.write(out);
  }

  /** Reads into an empty table; the sessions have been read. What joins handles of one purpose is for others to check. */
  read(input: WordReader, maxHandles: number): void {
    this.#slots = input.count(Row.size);
    if (this.#slots > maxHandles) throw malformed(`${this.#slots} handle slots`);
    this.#rows.read(this.#slots, input);
    const { slots, marks } = readSlots(input, this.#slots);
    this.#free = slots;
    let before = NONE;
    for (let count = input.count(2); count > 0; count--) {
      const slot = input.u32();
      if (slot <= before || slot >= this.#slots) throw malformed(`the names of handle slot ${slot} are out of place`);
      before = slot;
      this.#identities.set(slot, input.block());
    }
    this.modules.read(input, (slot) => slot < this.#slots && this.state(slot) !== HandleState.free);
    this.#size = checkHandles(this, this.#sessions, this.#rows.words, marks, this.#identities);
    for (let slot = 0; slot < this.#slots; slot++) {
      if (this.state(slot) !== HandleState.free && this.deadline(slot) !== 0) {
        this.#timeouts.add(slot, this.deadline(slot));
      }
    }
  }

  /** A slot that can be given: its generations begin at 1 and are not used up. */
  isUsable(slot: number): boolean {
    const generation = this.#generation(slot);
    return generation >= 1 && generation <= LAST_GENERATION;
  }

  #leaveSession(slot: number): void {
    const rows = this.#rows.words;
    const sessions = this.#sessions.words;
    const at = slot * Row.size;
    const session = this.session(slot);
    const owner = session * SessionRow.size;
    const next = this.nextOf(slot);
    const previous = (rows[at + Row.previous] as number) | 0;
    if (previous === NONE) sessions[owner + SessionRow.firstHandle] = next;
    else rows[previous * Row.size + Row.next] = next;
    if (next === NONE) sessions[owner + SessionRow.lastHandle] = previous;
    else rows[next * Row.size + Row.previous] = previous;
    sessions[owner + SessionRow.handles] = this.countOf(session) - 1;
    rows[at + Row.session] = NONE;
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
}
