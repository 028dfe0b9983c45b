/**
 * Who has a claim by what he is, not by a handle: a station that shares a seat, a program that runs on a station, a
 * user for whom seats linger. Found by their names; made anew from the handles of a snapshot.
 */
import { type Chain, newChain } from "./chain.js";
import { type Party, stationOf } from "./party.js";
import type { Pool } from "./pool.js";

/** What an access asks for: of a module the Product Code is the module's own, not that of its license. */
export interface Product {
  readonly firmCode: number;
  readonly productCode: number;
}

interface WaitingNames {
  readonly user: string;
  readonly share: string;
}

const none: ReadonlySet<number> = new Set();

export class Claims {
  /** handles that share one seat; the first of them takes it */
  readonly #shares = new Map<string, Chain>();
  /** programs that run with an exclusive handle, or wait for it */
  readonly #running = new Set<string>();
  /** lingering handles, those released first first */
  readonly #lingering = new Map<string, Set<number>>();
  /** names by which handles that wait may claim a seat, so that many can be asked at once */
  readonly #waiting = new Map<number, WaitingNames>();
  /** how many handles wait, by user */
  readonly #waitingUsers = new Map<string, number>();

  /** The handles of this station that share a seat of a pool; a client that names no station is one by itself. */
  share(pool: Pool, party: Party, session: number): Chain | undefined {
    return this.#shares.get(shareKey(pool, party, session));
  }

  addShare(pool: Pool, party: Party, session: number): Chain {
    const chain = newChain();
    this.#shares.set(shareKey(pool, party, session), chain);
    return chain;
  }

  dropShare(pool: Pool, party: Party, session: number): void {
    this.#shares.delete(shareKey(pool, party, session));
  }

  isRunning(product: Product, party: Party, session: number): boolean {
    return this.#running.has(programKey(product, party, session));
  }

  addRunning(product: Product, party: Party, session: number): void {
    this.#running.add(programKey(product, party, session));
  }

  dropRunning(product: Product, party: Party, session: number): void {
    this.#running.delete(programKey(product, party, session));
  }

  /** Handles of a pool that linger for this user. */
  lingering(pool: Pool, party: Party): ReadonlySet<number> {
    return this.#lingering.get(userKey(pool, party)) ?? none;
  }

  addLingering(pool: Pool, party: Party, slot: number): void {
    const key = userKey(pool, party);
    if (key === "") return;
    const slots = this.#lingering.get(key);
    if (slots !== undefined) {
      slots.add(slot);
      return;
    }
    this.#lingering.set(key, new Set([slot]));
    if (this.#waitingUsers.has(key)) pool.comingBack += 1;
  }

  dropLingering(pool: Pool, party: Party, slot: number): void {
    const key = userKey(pool, party);
    const slots = this.#lingering.get(key);
    if (slots === undefined) return;
    slots.delete(slot);
    if (slots.size > 0) return;
    this.#lingering.delete(key);
    if (this.#waitingUsers.has(key)) pool.comingBack -= 1;
  }

  addWaiting(pool: Pool, party: Party, session: number, slot: number): void {
    const user = userKey(pool, party);
    this.#waiting.set(slot, { user, share: shareKey(pool, party, session) });
    const others = this.#waitingUsers.get(user) ?? 0;
    this.#waitingUsers.set(user, others + 1);
    if (others === 0 && this.#lingering.has(user)) pool.comingBack += 1;
  }

  dropWaiting(pool: Pool, slot: number): void {
    const { user } = this.#waiting.get(slot) as WaitingNames;
    this.#waiting.delete(slot);
    const others = (this.#waitingUsers.get(user) as number) - 1;
    if (others > 0) {
      this.#waitingUsers.set(user, others);
      return;
    }
    this.#waitingUsers.delete(user);
    if (this.#lingering.has(user)) pool.comingBack -= 1;
  }

  /** True when seats linger for the user of a handle that waits, or its station has one that it would share. */
  hasClaim(slot: number, isShare: boolean): boolean {
    const { user, share } = this.#waiting.get(slot) as WaitingNames;
    return this.#lingering.has(user) || (isShare && this.#shares.has(share));
  }
}

function shareKey(pool: Pool, party: Party, session: number): string {
  return `${pool.id} ${stationKey(party, session)}`;
}

/**
 * Over all items and modules that are accessed by a Product Code: another one with free seats would not make it another
 * program.
 */
function programKey({ firmCode, productCode }: Product, party: Party, session: number): string {
  return `${firmCode}:${productCode} ${party.program.length} ${party.program} ${stationKey(party, session)}`;
}

function stationKey(party: Party, session: number): string {
  return stationOf(party) || `session ${session}`;
}

/** The same user is who has the same user name, on any station; without a user name, the same station. */
function userKey(pool: Pool, party: Party): string {
  if (party.user !== "") return `${pool.id} user ${party.user}`;
  const station = stationOf(party);
  return station === "" ? "" : `${pool.id} station ${station}`;
}
