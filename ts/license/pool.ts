/**
 * The seats of one license, counted apart from its terms, so that an item that changes, disappears and comes back finds
 * its seats as they were.
 */
import type { LicenseName } from "./access-list.js";
import { type Chain, newChain } from "./chain.js";
import { type ContainerNumber, containerName } from "./genesis.js";
import { Memory } from "./memory.js";
import { compareKeys, type JoinKey, type Terms } from "./terms.js";

/** A join key, and in which container. `tmrId` is the item reference, that of an ordinary license too. */
export interface PoolKey extends JoinKey {
  readonly container: ContainerNumber;
}

/** Seats taken of one join key. */
export interface Pool {
  /** index for `VirtualContainer.pool` */
  readonly id: number;
  readonly key: PoolKey;
  /** seats in use, over all handles; with the lingering ones above the quantity only after the quantity was lowered */
  used: number;
  /** seats that stay taken for a while after they were released */
  lingering: number;
  /** seats that rules of the access list keep for whom they fit, and who does not use them */
  reserved: number;
  /** handles, those that take no seat included */
  handles: number;
  /** handles that wait, first in, first out */
  readonly waiting: Chain;
  /** those of them that ask for station share: what one station takes may let another handle of it in */
  sharesWaiting: number;
  /** users who wait, and for whom seats linger */
  comingBack: number;
  /** those who wait were judged by the license as it is; false makes them be judged once more, which changes nothing */
  areJudged: boolean;
  /** handles that linger, in the order of their release */
  readonly released: Chain;
  /** seats taken per rule that counts here, by the rule's number; null = none counts */
  ruleSeats: Map<number, number> | null;
  /** what is remembered of it besides its seats */
  readonly memory: Memory;
  /** null while it is not shown */
  item: Item | null;
}

/** An item that enough upstreams state with equal terms. */
export interface Item {
  readonly terms: Terms;
  /** bit i-1 set: upstream i states exactly these terms */
  readonly holders: number;
  /** the upstream that states other terms under the same key, 0 = none */
  readonly odd: number;
  /** holders that must be reached: two of three, or the one that there is */
  readonly quorum: 1 | 2;
  readonly pool: Pool;
  /** it has options that an access is judged by, besides its times, feature bits and seats */
  readonly isJudged: boolean;
  /** it is a module of the pool's item: its Product Code, text and feature map, all else as there */
  readonly isModule: boolean;
}

/** Order of pools: by container, as an access looks into them, then by join key. */
export function comparePoolKeys(a: PoolKey, b: PoolKey): number {
  return a.container.serial - b.container.serial || a.container.mask - b.container.mask || compareKeys(a, b);
}

/** A license of which nothing is taken. */
export function newPool(id: number, { firmCode, productCode, tmrId, actId, container }: PoolKey): Pool {
  return {
    id,
    key: { firmCode, productCode, tmrId, actId, container },
    used: 0,
    lingering: 0,
    reserved: 0,
    handles: 0,
    waiting: newChain(),
    sharesWaiting: 0,
    comingBack: 0,
    areJudged: false,
    released: newChain(),
    ruleSeats: null,
    memory: new Memory(),
    item: null,
  };
}

/** Seats that anybody may still take; 0, never less, when a lowered quantity left more taken than there are. */
export function freeSeats({ terms, pool }: Item): number {
  return Math.max(0, terms.quantity - pool.used - pool.lingering - pool.reserved);
}

/** Seats shown as reserved: not more than are left. */
export function reservedSeats({ terms, pool }: Item): number {
  return Math.max(0, Math.min(pool.reserved, terms.quantity - pool.used - pool.lingering));
}

/** How the access list names the license of a pool. */
export function licenseNameOf({ key }: Pool): LicenseName {
  return { firmCode: key.firmCode, productCode: key.productCode, container: containerName(key.container) };
}
