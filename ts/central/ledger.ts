/**
 * What a Central has given out: TMR-IDs, actIds, container serials, Firm Update Counters. In SQLite, durable before a
 * file is written, and held by one process at a time, so that no number is ever given twice.
 */
import { randomInt } from "node:crypto";
import { closeSync, existsSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { U32_MAX } from "../config/fields.js";
import { TmrError } from "../errors.js";

/** Three containers that were issued together. */
export interface Group {
  readonly actId: number;
  /** container serials of upstream 1, 2, 3 */
  readonly serials: readonly [number, number, number];
  readonly updateCounter: number;
}

/** What one issue was given. */
export interface Allocation extends Group {
  /** TMR-ID of each license, by the firm's own id for it */
  readonly tmrIds: ReadonlyMap<string, number>;
  /** licenses that the group had and has no longer */
  readonly removed: ReadonlyMap<string, number>;
}

/** One container of a standalone license server. */
export interface OrdinaryContainer {
  readonly actId: number;
  readonly serial: number;
  readonly updateCounter: number;
}

/** What one issue of ordinary licenses was given. */
export interface OrdinaryAllocation extends OrdinaryContainer {
  /** item reference of each license, by the firm's own id for it */
  readonly itemRefs: ReadonlyMap<string, number>;
  /** licenses that the container had and has no longer */
  readonly removed: ReadonlyMap<string, number>;
}

const LEDGER_FILE = "ledger.sqlite";
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS next (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO next VALUES ('tmrId', 1), ('actId', 1);
  CREATE TABLE IF NOT EXISTS issued (
    actId INTEGER PRIMARY KEY, serial1 INTEGER NOT NULL UNIQUE, serial2 INTEGER NOT NULL UNIQUE,
    serial3 INTEGER NOT NULL UNIQUE, updateCounter INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS license (
    actId INTEGER NOT NULL REFERENCES issued, id TEXT NOT NULL, tmrId INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (actId, id)) STRICT;
`;

/** Ledgers from before there were ordinary licenses get these when they are opened. */
const ORDINARY_SCHEMA = `
  CREATE TABLE IF NOT EXISTS ordinary (
    actId INTEGER PRIMARY KEY, serial INTEGER NOT NULL UNIQUE, updateCounter INTEGER NOT NULL,
    nextItemRef INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS ordinaryLicense (
    actId INTEGER NOT NULL REFERENCES ordinary, id TEXT NOT NULL, itemRef INTEGER NOT NULL,
    PRIMARY KEY (actId, id), UNIQUE (actId, itemRef)) STRICT;
`;

interface IssuedRow {
  readonly actId: number;
  readonly serial1: number;
  readonly serial2: number;
  readonly serial3: number;
  readonly updateCounter: number;
}

/** The ledger of one Central, open: no other process can use it until it is closed. */
export class Ledger {
  readonly #database: Database.Database;

  private constructor(database: Database.Database) {
    this.#database = database;
  }

  /** Makes an empty ledger in the folder; one that is there already is left as it is. Throws ERR_TMR_FILE. */
  static create(dir: string): void {
    const file = join(resolve(dir), LEDGER_FILE);
    try {
      closeSync(openSync(file, "a", 0o600));
    } catch (error) {
      throw new TmrError("ERR_TMR_FILE", `cannot write ${file}`, { cause: error });
    }
    const ledger = Ledger.open(dir);
    try {
      guarded(file, () => ledger.#database.exec(SCHEMA));
    } finally {
      ledger.close();
    }
  }

  /**
   * Opens the ledger for this process alone. Throws ERR_TMR_FILE when it is missing, ERR_TMR_STATE when another process
   * has it, ERR_TMR_STORE when it is damaged.
   */
  static open(dir: string): Ledger {
    const file = join(resolve(dir), LEDGER_FILE);
    if (!existsSync(file)) {
      const advice = "restore it from a backup: a new one would give TMR-IDs a second time";
      throw new TmrError("ERR_TMR_FILE", `${file} is missing; ${advice}`);
    }
    return guarded(file, () => {
      const database = new Database(file, { fileMustExist: true, timeout: 0 });
      try {
        database.pragma("locking_mode = EXCLUSIVE");
        // EXTRA also makes the end of the rollback journal durable, which is what commits.
        database.pragma("synchronous = EXTRA");
        database.exec(`BEGIN EXCLUSIVE; ${ORDINARY_SCHEMA} COMMIT`);
      } catch (error) {
        database.close();
        throw error;
      }
      return new Ledger(database);
    });
  }

  /** The group with this actId, or undefined. */
  group(actId: number): Group | undefined {
    const row = guarded(LEDGER_FILE, () =>
      this.#database.prepare<[number], IssuedRow>("SELECT * FROM issued WHERE actId = ?").get(actId),
    );
    return row === undefined ? undefined : groupOf(row);
  }

  /** A new group with a TMR-ID for each license, in their order. Durable when it returns. */
  allocateGroup(ids: readonly string[]): Allocation {
    return this.#transaction(() => {
      const actId = this.#take("actId");
      const serials = this.#newSerials(3) as [number, number, number];
      this.#database.prepare("INSERT INTO issued VALUES (?, ?, ?, ?, 1)").run(actId, ...serials);
      return { actId, serials, updateCounter: 1, ...this.#assign(actId, ids) };
    });
  }

  /** The next update of a group: licenses that it has keep their TMR-IDs. Durable when it returns. */
  allocateUpdate(actId: number, ids: readonly string[]): Allocation {
    return this.#transaction(() => {
      const row = this.#database
        .prepare<[number], IssuedRow>("UPDATE issued SET updateCounter = updateCounter + 1 WHERE actId = ? RETURNING *")
        .get(actId);
      if (row === undefined) throw new TmrError("ERR_TMR_STATE", `this Central never issued actId ${actId}`);
      return { ...groupOf(row), ...this.#assign(actId, ids) };
    });
  }

  /** The container of ordinary licenses with this actId, or undefined. */
  ordinary(actId: number): OrdinaryContainer | undefined {
    return guarded(LEDGER_FILE, () =>
      this.#database
        .prepare<[number], OrdinaryContainer>("SELECT actId, serial, updateCounter FROM ordinary WHERE actId = ?")
        .get(actId),
    );
  }

  /** A new container with an item reference for each license, in their order. Durable when it returns. */
  allocateOrdinary(ids: readonly string[]): OrdinaryAllocation {
    return this.#transaction(() => {
      const actId = this.#take("actId");
      const [serial] = this.#newSerials(1);
      this.#database.prepare("INSERT INTO ordinary VALUES (?, ?, 1, 1)").run(actId, serial);
      return { actId, serial: serial as number, updateCounter: 1, ...this.#assignOrdinary(actId, ids) };
    });
  }

  /** The next update of a container: licenses that it has keep their item references. Durable when it returns. */
  allocateOrdinaryUpdate(actId: number, ids: readonly string[]): OrdinaryAllocation {
    return this.#transaction(() => {
      const row = this.#database
        .prepare<[number], OrdinaryContainer>(
          "UPDATE ordinary SET updateCounter = updateCounter + 1 WHERE actId = ? RETURNING actId, serial, updateCounter",
        )
        .get(actId);
      if (row === undefined) throw new TmrError("ERR_TMR_STATE", `this Central never issued actId ${actId}`);
      return { ...row, ...this.#assignOrdinary(actId, ids) };
    });
  }

  close(): void {
    this.#database.close();
  }

  #transaction<T>(work: () => T): T {
    return guarded(LEDGER_FILE, () => this.#database.transaction(work).immediate());
  }

  #assign(actId: number, ids: readonly string[]): Pick<Allocation, "tmrIds" | "removed"> {
    const known = this.#database
      .prepare<[number], { readonly id: string; readonly tmrId: number }>(
        "SELECT id, tmrId FROM license WHERE actId = ?",
      )
      .all(actId);
    const before = new Map(known.map((row) => [row.id, row.tmrId]));
    const tmrIds = new Map(ids.map((id) => [id, before.get(id) ?? this.#newLicense(actId, id)]));
    const removed = new Map([...before].filter(([id]) => !tmrIds.has(id)));
    const forget = this.#database.prepare("DELETE FROM license WHERE actId = ? AND id = ?");
    for (const id of removed.keys()) forget.run(actId, id);
    return { tmrIds, removed };
  }

  #assignOrdinary(actId: number, ids: readonly string[]): Pick<OrdinaryAllocation, "itemRefs" | "removed"> {
    const known = this.#database
      .prepare<[number], { readonly id: string; readonly itemRef: number }>(
        "SELECT id, itemRef FROM ordinaryLicense WHERE actId = ?",
      )
      .all(actId);
    const before = new Map(known.map((row) => [row.id, row.itemRef]));
    const itemRefs = new Map(ids.map((id) => [id, before.get(id) ?? this.#newOrdinaryLicense(actId, id)]));
    const removed = new Map([...before].filter(([id]) => !itemRefs.has(id)));
    const forget = this.#database.prepare("DELETE FROM ordinaryLicense WHERE actId = ? AND id = ?");
    for (const id of removed.keys()) forget.run(actId, id);
    return { itemRefs, removed };
  }

  #newOrdinaryLicense(actId: number, id: string): number {
    const row = this.#database
      .prepare<[number], { readonly itemRef: number }>(
        "UPDATE ordinary SET nextItemRef = nextItemRef + 1 WHERE actId = ? RETURNING nextItemRef - 1 AS itemRef",
      )
      .get(actId);
    if (row === undefined) throw new TmrError("ERR_TMR_STORE", `the ledger has no container with actId ${actId}`);
    this.#database.prepare("INSERT INTO ordinaryLicense VALUES (?, ?, ?)").run(actId, id, row.itemRef);
    return row.itemRef;
  }

  #newLicense(actId: number, id: string): number {
    const tmrId = this.#take("tmrId");
    this.#database.prepare("INSERT INTO license VALUES (?, ?, ?)").run(actId, id, tmrId);
    return tmrId;
  }

  #take(name: "tmrId" | "actId"): number {
    const row = this.#database
      .prepare<[string], { readonly value: number }>("SELECT value FROM next WHERE name = ?")
      .get(name);
    if (row === undefined) throw new TmrError("ERR_TMR_STORE", `the ledger has no counter ${name}`);
    if (row.value > U32_MAX) throw new TmrError("ERR_TMR_STATE", `every ${name} has been given out`);
    this.#database.prepare("UPDATE next SET value = value + 1 WHERE name = ?").run(name);
    return row.value;
  }

  #newSerials(count: number): number[] {
    const taken = this.#database.prepare<[number, number]>(
      "SELECT 1 FROM issued WHERE ? IN (serial1, serial2, serial3) UNION ALL SELECT 1 FROM ordinary WHERE serial = ?",
    );
    const serials = new Set<number>();
    while (serials.size < count) {
      const serial = randomInt(1, U32_MAX + 1);
      if (taken.get(serial, serial) === undefined) serials.add(serial);
    }
    return [...serials];
  }
}

function groupOf(row: IssuedRow): Group {
  return { actId: row.actId, serials: [row.serial1, row.serial2, row.serial3], updateCounter: row.updateCounter };
}

/** Turns what SQLite reports into this package's errors. */
function guarded<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    if (error.code.startsWith("SQLITE_BUSY") || error.code.startsWith("SQLITE_LOCKED")) {
      throw new TmrError("ERR_TMR_STATE", `${file} is in use: another tmr central is at work`, { cause: error });
    }
    if (error.code.startsWith("SQLITE_CORRUPT") || error.code.startsWith("SQLITE_NOTADB")) {
      throw new TmrError("ERR_TMR_STORE", `${file} is damaged: ${error.message}`, { cause: error });
    }
    throw new TmrError("ERR_TMR_STORE_WRITE", `${file}: ${error.message}`, { cause: error });
  }
}
