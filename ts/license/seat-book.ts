/**
 * Keeps the books on seats: what each handle takes of its pool, who waits, what lingers, and what rules count. Decides
 * nothing; {@link State} calls it and journals. At every moment a pool's `used` is the sum over its held and borrowed
 * handles, its `lingering` the sum over those that linger, and every list and claim can be told from the handles alone.
 */
import { AccessMode } from "../wire/kinds.js";
import { type AccessList, isCounted } from "./access-list.js";
import type { Rule } from "./access-list-document.js";
import { Claims, type Product } from "./claims.js";
import { HandleState, isLost, takesSeats } from "./handle-row.js";
import type { HandleTable } from "./handles.js";
import { validUntilMs } from "./options.js";
import { type Party, readParty } from "./party.js";
import { comparePoolKeys, type Item, licenseNameOf, type Pool } from "./pool.js";
import { NONE } from "./records.js";
import type { VirtualContainer } from "./virtual-container.js";

/** What a handle waits for. */
export interface WaitWanted {
  readonly seats: number;
  readonly mode: number;
  readonly rule: number;
  readonly featureMap: number;
}

/** Seats as they are taken: how many, and the rule of the access list that counts them, 0 = none. */
export interface SeatsTaken {
  readonly seats: number;
  readonly rule: number;
}

const noPools: readonly Pool[] = [];

export class SeatBook {
  readonly claims = new Claims();
  /** Pools with seats given back that somebody waits for; whoever looks after those who wait empties it. */
  readonly freed = new Set<Pool>();
  /** pools that somebody waits for */
  readonly #awaited = new Set<Pool>();
  readonly #handles: HandleTable;
  readonly #container: VirtualContainer;
  /** reservations at a pool are told by the list */
  #list: AccessList | null = null;

  constructor(handles: HandleTable, container: VirtualContainer) {
    this.#handles = handles;
    this.#container = container;
  }

  grant(session: number, item: Item, seats: number, mode: number, rule: number, sinceMs: number): number {
    const { pool, terms } = item;
    const slot = this.#handles.add(session, pool.id, seats, mode, HandleState.held, sinceMs);
    pool.used += seats;
    pool.handles += 1;
    if (rule !== 0) this.#handles.setRule(slot, rule);
    if (pool.ruleSeats !== null) this.#count(pool, rule, seats);
    if (mode === AccessMode.stationShare) this.#join(slot, pool);
    else if (mode === AccessMode.exclusive) this.claims.addRunning(terms, this.party(slot), session);
    return slot;
  }

  /** Seats that are used offline, by a handle of no session. */
  borrow(session: number, item: Item, seats: number, rule: number, sinceMs: number): number {
    const slot = this.grant(session, item, seats, AccessMode.userLimit, rule, sinceMs);
    this.#handles.detach(slot);
    this.#handles.setState(slot, HandleState.borrowed);
    return slot;
  }

  enqueue(session: number, { pool, terms }: Item, wanted: WaitWanted, sinceMs: number, deadline: number): number {
    const handles = this.#handles;
    const slot = handles.add(session, pool.id, wanted.seats, wanted.mode, HandleState.queued, sinceMs);
    handles.setRule(slot, wanted.rule);
    handles.setFeatureMap(slot, wanted.featureMap);
    handles.setDeadline(slot, deadline);
    handles.link(pool.waiting, slot);
    this.noteWaiting(pool, slot, 1);
    pool.handles += 1;
    if (wanted.mode === AccessMode.exclusive) this.claims.addRunning(terms, this.party(slot), session);
    return slot;
  }

  promote(slot: number, seats: number, rule: number, sinceMs: number): void {
    const handles = this.#handles;
    const pool = this.#pool(slot);
    handles.unlink(pool.waiting, slot);
    this.noteWaiting(pool, slot, -1);
    handles.setState(slot, HandleState.held);
    handles.setDeadline(slot, 0);
    handles.setSince(slot, sinceMs);
    handles.setSeats(slot, seats);
    handles.setRule(slot, rule);
    pool.used += seats;
    this.#count(pool, rule, seats);
    if (handles.mode(slot) === AccessMode.stationShare) this.#join(slot, pool);
  }

  /** Gives a handle of a session back; its seats may linger. */
  release(slot: number, logMs: number, calendarMs: number): void {
    const handles = this.#handles;
    const pool = this.#pool(slot);
    this.#leave(slot, pool);
    const lingerMs = handles.seats(slot) === 0 ? 0 : lingerTime(pool, calendarMs);
    if (lingerMs > 0 && handles.state(slot) === HandleState.held) this.#linger(slot, pool, logMs + lingerMs);
    else this.#giveBack(slot, pool);
  }

  /** Ends a handle at once, whatever it is: nothing lingers. */
  drop(slot: number): void {
    const pool = this.#pool(slot);
    this.#leave(slot, pool);
    this.#giveBack(slot, pool);
  }

  /** Keeps a handle of a session only to tell what became of it; the oldest of more than `most` is forgotten. */
  lose(slot: number, why: number, most: number): void {
    const handles = this.#handles;
    const pool = this.#pool(slot);
    this.#leave(slot, pool);
    this.#returnSeats(slot, pool);
    handles.setDeadline(slot, 0);
    handles.setSeats(slot, 0);
    handles.setRule(slot, 0);
    handles.setState(slot, why);
    handles.link(handles.lost, slot);
    if (handles.lost.size > most) this.drop(handles.lost.first);
  }

  /** Ends the lingering of at most `seats` seats for a user, those released first first. Returns how many. */
  giveUp(pool: Pool, party: Party, seats: number): number {
    const handles = this.#handles;
    let given = 0;
    while (given < seats) {
      const [slot] = this.claims.lingering(pool, party);
      if (slot === undefined) break;
      const held = handles.seats(slot);
      if (held > seats - given) {
        const some = seats - given;
        handles.setSeats(slot, held - some);
        pool.lingering -= some;
        this.#count(pool, handles.rule(slot), -some);
        given += some;
      } else {
        this.drop(slot);
        given += held;
      }
    }
    return given;
  }

  /** Counts everything by the rules of another list. Returns the handles that wait and that it can never let in. */
  applyAccessList(list: AccessList): number[] {
    const handles = this.#handles;
    this.#list = list;
    for (const pool of this.#container.pools()) pool.ruleSeats = list.isEmpty ? null : new Map();
    const denied: number[] = [];
    for (let slot = 0; slot < handles.slots; slot++) {
      const state = handles.state(slot);
      if (state === HandleState.free || isLost(state)) continue;
      const pool = this.#pool(slot);
      const decided = list.isEmpty ? null : list.decide(this.party(slot), licenseNameOf(pool));
      handles.setRule(slot, decided !== null && isCounted(decided.rule) ? decided.number : 0);
      if (state === HandleState.queued && decided !== null && isShutOut(decided.rule, handles.seats(slot))) {
        denied.push(slot);
      }
    }
    this.countAgain();
    return denied;
  }

  /** Makes what pools say of rules from what handles say. */
  countAgain(): void {
    const handles = this.#handles;
    const isEmpty = this.#list === null || this.#list.isEmpty;
    for (const pool of this.#container.pools()) pool.ruleSeats = isEmpty ? null : new Map();
    if (isEmpty) {
      for (const pool of this.#container.pools()) pool.reserved = 0;
      return;
    }
    for (let slot = 0; slot < handles.slots; slot++) {
      if (!takesSeats(handles.state(slot)) || handles.rule(slot) === 0) continue;
      const { ruleSeats } = this.#pool(slot);
      ruleSeats?.set(handles.rule(slot), (ruleSeats.get(handles.rule(slot)) ?? 0) + handles.seats(slot));
    }
    for (const pool of this.#container.pools()) this.#reserve(pool);
  }

  /** The list of a snapshot, whose handles say by which of its rules they are counted. */
  restoreAccessList(list: AccessList): void {
    this.#list = list;
    this.countAgain();
  }

  /** Makes those who wait for a pool be judged anew when seats are next given out. */
  review(pool: Pool): void {
    pool.areJudged = false;
    if (pool.waiting.size > 0) this.freed.add(pool);
  }

  /** The pools that somebody waits for and that fit, in the order of their keys. */
  awaited(fits: (pool: Pool) => boolean): readonly Pool[] {
    if (this.#awaited.size === 0) return noPools;
    return [...this.#awaited].filter(fits).sort((a, b) => comparePoolKeys(a.key, b.key));
  }

  /** To be called when a handle began (1) or ceased (-1) to wait for a pool. */
  noteWaiting(pool: Pool, slot: number, change: 1 | -1): void {
    if (this.#handles.mode(slot) === AccessMode.stationShare) pool.sharesWaiting += change;
    if (change === 1) this.claims.addWaiting(pool, this.party(slot), this.#handles.session(slot), slot);
    else this.claims.dropWaiting(pool, slot);
    if (pool.waiting.size > 0) this.#awaited.add(pool);
    else this.#awaited.delete(pool);
  }

  /** What a handle was asked for by. */
  product(slot: number): Product {
    const { firmCode, productCode } = this.#pool(slot).key;
    return { firmCode, productCode: this.#handles.modules.productCode(slot) ?? productCode };
  }

  /** Who has or had a handle. */
  party(slot: number): Party {
    return readParty(this.#handles.identity(slot));
  }

  /** Ends what a handle is part of besides its session. */
  #leave(slot: number, pool: Pool): void {
    const handles = this.#handles;
    switch (handles.state(slot)) {
      case HandleState.held:
        if (handles.mode(slot) === AccessMode.stationShare) this.#leaveShare(slot, pool);
        else if (handles.mode(slot) === AccessMode.exclusive) this.#stop(slot);
        return;
      case HandleState.queued:
        // Whoever stands behind it may be able to take what it waited for.
        if (handles.nextPeer(slot) !== NONE) this.freed.add(pool);
        handles.unlink(pool.waiting, slot);
        this.noteWaiting(pool, slot, -1);
        if (handles.mode(slot) === AccessMode.exclusive) this.#stop(slot);
        return;
      case HandleState.lingering:
        handles.unlink(pool.released, slot);
        this.claims.dropLingering(pool, this.party(slot), slot);
        return;
      default:
        if (isLost(handles.state(slot))) handles.unlink(handles.lost, slot);
    }
  }

  #giveBack(slot: number, pool: Pool): void {
    this.#returnSeats(slot, pool);
    pool.handles -= 1;
    this.#handles.free(slot);
  }

  #returnSeats(slot: number, pool: Pool): void {
    const state = this.#handles.state(slot);
    if (!takesSeats(state)) return;
    const seats = this.#handles.seats(slot);
    if (state === HandleState.lingering) pool.lingering -= seats;
    else pool.used -= seats;
    if (pool.ruleSeats !== null) this.#count(pool, this.#handles.rule(slot), -seats);
    if (pool.waiting.size > 0) this.freed.add(pool);
  }

  #linger(slot: number, pool: Pool, until: number): void {
    const handles = this.#handles;
    const seats = handles.seats(slot);
    handles.detach(slot);
    handles.setState(slot, HandleState.lingering);
    handles.setDeadline(slot, until);
    handles.link(pool.released, slot);
    this.claims.addLingering(pool, this.party(slot), slot);
    pool.used -= seats;
    pool.lingering += seats;
    // The seats linger for somebody, who may be waiting.
    if (pool.waiting.size > 0) this.freed.add(pool);
  }

  #join(slot: number, pool: Pool): void {
    const session = this.#handles.session(slot);
    const party = this.party(slot);
    const chain = this.claims.share(pool, party, session) ?? this.claims.addShare(pool, party, session);
    this.#handles.link(chain, slot);
    // Handles of the station that wait need no seat any more.
    if (chain.size === 1 && pool.sharesWaiting > 0) this.freed.add(pool);
  }

  /** The seat of a station passes on to the handle that shares it longest. */
  #leaveShare(slot: number, pool: Pool): void {
    const handles = this.#handles;
    const party = this.party(slot);
    const chain = this.claims.share(pool, party, handles.session(slot));
    if (chain === undefined) throw new RangeError(`handle slot ${slot} shares no seat`);
    handles.unlink(chain, slot);
    if (chain.size === 0) {
      this.claims.dropShare(pool, party, handles.session(slot));
    } else if (handles.seats(slot) > 0) {
      handles.setSeats(chain.first, handles.seats(slot));
      handles.setSeats(slot, 0);
      this.#count(pool, handles.rule(slot), -1);
      this.#count(pool, handles.rule(chain.first), 1);
    }
  }

  #stop(slot: number): void {
    this.claims.dropRunning(this.product(slot), this.party(slot), this.#handles.session(slot));
  }

  #count(pool: Pool, rule: number, seats: number): void {
    const { ruleSeats } = pool;
    if (ruleSeats === null || rule === 0) return;
    const now = (ruleSeats.get(rule) ?? 0) + seats;
    if (now === 0) ruleSeats.delete(rule);
    else ruleSeats.set(rule, now);
    this.#reserve(pool);
  }

  #reserve(pool: Pool): void {
    pool.reserved = 0;
    for (const { rule, number } of this.#list?.reservations(licenseNameOf(pool)) ?? []) {
      pool.reserved += Math.max(0, (rule.reserved ?? 0) - (pool.ruleSeats?.get(number) ?? 0));
    }
  }

  #pool(slot: number): Pool {
    return this.#container.pool(this.#handles.pool(slot));
  }
}

/** True when a rule denies it, or allows fewer seats than are waited for. */
function isShutOut({ effect, limit = 0 }: Rule, seats: number): boolean {
  return effect === "deny" || (limit > 0 && seats > limit);
}

/** How long seats of a pool linger that are released now: not beyond the end of their license. */
function lingerTime({ item }: Pool, calendarMs: number): number {
  if (item?.terms.lingerSeconds === undefined) return 0;
  const left = (validUntilMs(item) || Number.POSITIVE_INFINITY) - calendarMs;
  return Math.max(0, Math.min(item.terms.lingerSeconds * 1000, left));
}
