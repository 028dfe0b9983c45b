/**
 * What a server shows of what was stated, and the pools in which the seats of it are counted: the virtual container of a
 * TMR system, or the own containers of a standalone license server.
 */
import type { ProtocolRules } from "../wire/rules.js";
import { type ContainerNumber, containerName, type LicensePorts } from "./genesis.js";
import { isJudged } from "./options.js";
import { type Item, newPool, type Pool, type PoolKey } from "./pool.js";
import { readSlots, writeSlots } from "./slot-list.js";
import type { Statement, TmrItem } from "./statement.js";
import { type Module, referenceOf } from "./terms.js";
import { votedItems } from "./voted-items.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";

export type UpstreamNumber = 1 | 2 | 3;
const upstreamNumbers: readonly UpstreamNumber[] = [1, 2, 3];

/** How many of the upstreams in a mask of three bits. */
export function countOf(mask: number): number {
  return (mask & 1) + ((mask >> 1) & 1) + ((mask >> 2) & 1);
}

/** The numbers of the upstreams in a mask, ascending. */
export function upstreamsOf(mask: number): number[] {
  return upstreamNumbers.filter((upstream) => (mask & (1 << (upstream - 1))) !== 0);
}

/** True when enough of the reached upstreams hold the item to grant or show it. */
export function isReached(item: Item, reached: number): boolean {
  return countOf(item.holders & reached) >= item.quorum;
}

const noItems: readonly Item[] = [];
/** More than three statements and all handles can have: a bound for what a snapshot claims. */
const MAX_POOLS = 2 ** 20;

function nameOf({ firmCode, productCode, tmrId, actId, container }: PoolKey): string {
  return `${containerName(container)}:${firmCode}:${productCode}:${tmrId}:${actId}`;
}

export class VirtualContainer {
  /** the virtual container's number; null: a standalone server, which shows its containers as they are */
  readonly #number: ContainerNumber | null;
  readonly #mergeContainers: LicensePorts["mergeContainers"];
  readonly #rules: ProtocolRules;
  readonly #statements: [Statement | null, Statement | null, Statement | null] = [null, null, null];
  readonly #poolByKey = new Map<string, Pool>();
  readonly #pools: (Pool | undefined)[] = [];
  #freePoolIds: number[] = [];
  /** pools that are kept for their memory alone; the item gone longest first */
  readonly #remembered = new Set<Pool>();
  readonly #maxRemembered: number;
  #items: readonly Item[] = noItems;
  #byFirm = new Map<number, Map<number, Item[]>>();

  constructor(
    number: ContainerNumber | null,
    merge: LicensePorts["mergeContainers"],
    rules: ProtocolRules,
    maxRemembered: number,
  ) {
    this.#number = number;
    this.#mergeContainers = merge;
    this.#rules = rules;
    this.#maxRemembered = maxRemembered;
  }

  /** True for a license server that serves alone: one of one decides. */
  get standalone(): boolean {
    return this.#number === null;
  }

  /** `mask-serial`, of several containers one behind the other: where a server looks. */
  get name(): string {
    return this.#number === null ? namesOf(this.#ownContainers()) : containerName(this.#number);
  }

  /** The containers that are shown, in the order in which an access looks into them. */
  get containers(): readonly ContainerNumber[] {
    return this.#number === null ? this.#ownContainers() : [this.#number];
  }

  /** The container that a pool is of. */
  numberOf(pool: Pool): ContainerNumber {
    return pool.key.container;
  }

  /** A license with a TMR-ID in an own container, which a standalone server must not grant; null: there is none. */
  tmrOnly(firmCode: number, productCode: number): TmrItem | null {
    const [own] = this.#statements;
    return own?.own?.tmr.find((item) => item.firmCode === firmCode && item.productCode === productCode) ?? null;
  }

  #ownContainers(): readonly ContainerNumber[] {
    return this.#statements[0]?.own?.containers ?? [];
  }

  statement(upstream: UpstreamNumber): Statement | null {
    return this.#statements[(upstream - 1) as 0 | 1 | 2];
  }

  /** Replaces what `upstream` states and merges anew. */
  state(upstream: UpstreamNumber, statement: Statement): void {
    this.#replace(upstream, statement);
  }

  /** Nothing is known any more of what `upstream` holds. */
  forget(upstream: UpstreamNumber): void {
    this.#replace(upstream, null);
  }

  #replace(upstream: UpstreamNumber, statement: Statement | null): void {
    this.#statements[upstream - 1] = statement;
    this.#merge();
    this.#dropEmptyPools();
  }

  /** All items in the order in which an access looks at them: by container, then by join key. */
  get items(): readonly Item[] {
    return this.#items;
  }

  /** The items and modules with these codes, ascending by item reference. */
  find(firmCode: number, productCode: number): readonly Item[] {
    return this.#byFirm.get(firmCode)?.get(productCode) ?? noItems;
  }

  /** True when it shows a license of this firm. */
  hasFirm(firmCode: number): boolean {
    return this.#byFirm.has(firmCode);
  }

  pool(id: number): Pool {
    const pool = this.#pools[id];
    if (pool === undefined) throw new RangeError(`no pool ${id}`);
    return pool;
  }

  /** The pool of a join key, made when there is none. */
  #poolOf(key: PoolKey): Pool {
    return this.#poolByKey.get(nameOf(key)) ?? this.#addPool(this.#freePoolIds.pop() ?? this.#pools.length, key);
  }

  #addPool(id: number, key: PoolKey): Pool {
    const pool = newPool(id, key);
    this.#pools[id] = pool;
    this.#poolByKey.set(nameOf(pool.key), pool);
    return pool;
  }

  /** Handles per container, by its name. */
  handlesByContainer(): Map<string | undefined, number> {
    const counts = new Map<string | undefined, number>();
    for (const pool of this.#poolByKey.values()) {
      const name = containerName(pool.key.container);
      counts.set(name, (counts.get(name) ?? 0) + pool.handles);
    }
    return counts;
  }

  /** All pools, ascending by id. */
  *pools(): IterableIterator<Pool> {
    for (const pool of this.#pools) if (pool !== undefined) yield pool;
  }

  /** The item or module that handles of a pool are of; null when it is gone. `productCode` undefined: no module. */
  itemOf(pool: Pool, productCode: number | undefined): Item | null {
    if (productCode === undefined || pool.item === null) return pool.item;
    return this.find(pool.key.firmCode, productCode).find((item) => item.pool === pool) ?? null;
  }

  /** The pools with their keys and what is remembered of them; what is taken of them is told by the handles. */
  writePools(out: WordWriter): void {
    out.u32(this.#pools.length);
    writeSlots(this.#freePoolIds, out);
    for (const pool of this.#pools) {
      if (pool === undefined) continue;
      out.u32(pool.key.firmCode);
      out.three(pool.key.productCode, pool.key.tmrId, pool.key.actId);
      out.u32(pool.key.container.mask);
      out.u32(pool.key.container.serial);
      pool.memory.write(out);
    }
    writeSlots(
      [...this.#remembered].map(({ id }) => id),
      out,
    );
  }

  /** Reads into a container without pools. {@link restore} comes next, once every handle was counted. */
  readPools(input: WordReader): void {
    const count = input.u32();
    if (count > MAX_POOLS) throw malformed(`${count} pools`);
    const { slots, marks } = readSlots(input, count);
    this.#freePoolIds = slots;
    for (let id = 0; id < count; id++) {
      if (marks[id] === 1) {
        this.#pools[id] = undefined;
        continue;
      }
      const key = {
        firmCode: input.u32(),
        productCode: input.u32(),
        tmrId: input.u32(),
        actId: input.u32(),
        container: { mask: input.u32(), serial: input.u32() },
      };
      if (this.#number !== null && containerName(key.container) !== containerName(this.#number)) {
        throw malformed("a pool is of another container");
      }
      if (this.#poolByKey.has(nameOf(key))) throw malformed("two pools have one key");
      this.#addPool(id, key).memory.read(input);
    }
    for (const id of readSlots(input, count).slots) {
      const pool = this.#pools[id];
      if (pool === undefined || pool.memory.isEmpty) throw malformed(`nothing is remembered of pool ${id}`);
      this.#remembered.add(pool);
    }
    if (this.#remembered.size > this.#maxRemembered) throw malformed(`${this.#remembered.size} remembered licenses`);
  }

  /** True when a handle may be of this pool. */
  hasPool(id: number): boolean {
    return this.#pools[id] !== undefined;
  }

  /** Sets the three statements of a snapshot, whose pools must have been there when it was made. */
  restore(statements: readonly [Statement | null, Statement | null, Statement | null]): void {
    const free = this.#freePoolIds.length;
    const pools = this.#pools.length;
    statements.forEach((statement, i) => {
      this.#statements[i as 0 | 1 | 2] = statement;
    });
    this.#merge();
    if (this.#freePoolIds.length !== free || this.#pools.length !== pools) throw malformed("a pool is missing");
    for (const { item, handles } of this.#remembered) {
      if (item !== null || handles > 0) throw malformed("a license in use is remembered as gone");
    }
  }

  #merge(): void {
    const shown =
      this.#number === null
        ? (this.#statements[0]?.own?.items ?? [])
        : votedItems(this.#statements, this.#number, this.#mergeContainers, this.#rules);
    for (const pool of this.#poolByKey.values()) pool.item = null;
    this.#items = shown.map(({ terms, container, holders, odd, quorum }) => {
      const { firmCode, productCode, actId } = terms;
      const pool = this.#poolOf({ firmCode, productCode, tmrId: referenceOf(terms), actId, container });
      pool.item = { terms, holders, odd, quorum, pool, isJudged: isJudged(terms), isModule: false };
      return pool.item;
    });
    this.#index();
  }

  #dropEmptyPools(): void {
    for (const pool of this.#remembered) if (pool.item !== null) this.#remembered.delete(pool);
    // In the order of their ids: which of them is used again first is part of the state.
    for (const pool of this.#pools) {
      if (pool === undefined || pool.item !== null || pool.handles > 0) continue;
      if (pool.memory.isEmpty) this.#dropPool(pool);
      else this.#remembered.add(pool);
    }
    for (const pool of this.#remembered) {
      if (this.#remembered.size <= this.#maxRemembered) return;
      this.#remembered.delete(pool);
      this.#dropPool(pool);
    }
  }

  #dropPool(pool: Pool): void {
    this.#poolByKey.delete(nameOf(pool.key));
    this.#pools[pool.id] = undefined;
    this.#freePoolIds.push(pool.id);
  }

  #index(): void {
    this.#byFirm = new Map();
    const mixed = new Set<Item[]>();
    for (const item of this.#items) {
      this.#indexed(item.terms.firmCode, item.terms.productCode).push(item);
      for (const module of item.terms.modules ?? []) {
        const same = this.#indexed(item.terms.firmCode, module.productCode);
        same.push(moduleOf(item, module));
        mixed.add(same);
      }
    }
    for (const same of mixed) same.sort((a, b) => compareByReference(a.pool.key, b.pool.key));
  }

  #indexed(firmCode: number, productCode: number): Item[] {
    let firm = this.#byFirm.get(firmCode);
    if (firm === undefined) {
      firm = new Map<number, Item[]>();
      this.#byFirm.set(firmCode, firm);
    }
    let same = firm.get(productCode);
    if (same === undefined) {
      same = [];
      firm.set(productCode, same);
    }
    return same;
  }
}

/** As many as a sentence has room for. */
const MAX_NAMED = 3;

function namesOf(containers: readonly ContainerNumber[]): string {
  if (containers.length === 0) return "(none)";
  const names = containers.slice(0, MAX_NAMED).map(containerName).join(", ");
  const more = containers.length - MAX_NAMED;
  return more > 0 ? `${names} and ${more} more` : names;
}

/** A module as an item: what it has of its own, and all else of the item that it is of. */
function moduleOf(item: Item, { productCode, text, featureMap }: Module): Item {
  return { ...item, terms: { ...item.terms, productCode, text, featureMap }, isModule: true };
}

/** Order of items that are found by one Product Code: by container, then by item reference. */
function compareByReference(a: PoolKey, b: PoolKey): number {
  return (
    a.container.serial - b.container.serial ||
    a.container.mask - b.container.mask ||
    a.tmrId - b.tmrId ||
    a.productCode - b.productCode ||
    a.actId - b.actId
  );
}
