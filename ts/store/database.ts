/** Opening the database file: settings, tables, and which failure means what. */
import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";
import { TmrError } from "../errors.js";
import { StoreDamageError } from "./store.js";

/** A connection of better-sqlite3. */
export type Connection = InstanceType<typeof Database>;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS commits (id INTEGER PRIMARY KEY CHECK (id = 1), n INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    upstream INTEGER NOT NULL, genesis BLOB NOT NULL,
    promised INTEGER NOT NULL, log_epoch INTEGER NOT NULL, incarnation BLOB NOT NULL, blank INTEGER NOT NULL,
    members BLOB NOT NULL, stamp BLOB NOT NULL, statement_version INTEGER NOT NULL, statement_digest BLOB, seal BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS base (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, digest BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS log (position INTEGER PRIMARY KEY, digest BLOB NOT NULL, batch BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL, digest BLOB NOT NULL, seal BLOB NOT NULL, size INTEGER NOT NULL, parts INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS snapshot_part (
    snapshot INTEGER NOT NULL, n INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (snapshot, n));
`;

/**
 * What brings a store of format i to format i + 1, all in one transaction. Format 0 is a new file, and every store that was
 * written before there were numbers. A release reads all formats below its own; a format above it is of a later release.
 */
const migrations: readonly ((database: Connection) => unknown)[] = [(database) => database.exec(SCHEMA)];

/** The format that this build writes. */
export const STORE_FORMAT = migrations.length;

function migrate(file: string, database: Connection): void {
  const format = database.pragma("user_version", { simple: true }) as number;
  if (format > STORE_FORMAT) {
    throw new TmrError(
      "ERR_TMR_STORE",
      `${file} has store format ${format}, of a later release; this one reads up to ${STORE_FORMAT} and leaves it as it is: start the release that wrote it`,
    );
  }
  // One that is up to date is not written: it may be damaged, and is kept as it is then.
  if (format === STORE_FORMAT) return;
  database.exec("BEGIN IMMEDIATE");
  for (const step of migrations.slice(format)) step(database);
  database.pragma(`user_version = ${STORE_FORMAT}`);
  database.exec("COMMIT");
}

function codeOf(error: unknown): string {
  return error instanceof Database.SqliteError ? error.code : "";
}

/**
 * True for every way in which "these bytes are not what was written" shows: SQLite's own words for it, tables that do
 * not fit the fixed queries, and values of another type or size than was stored.
 */
function isDamage(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  const code = codeOf(error);
  return code.startsWith("SQLITE_CORRUPT") || ["SQLITE_NOTADB", "SQLITE_FORMAT", "SQLITE_ERROR"].includes(code);
}

/** Runs a read; damage that SQLite finds becomes {@link StoreDamageError}, other failures `ERR_TMR_FILE`. */
export function reading<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof TmrError) throw cause;
    if (isDamage(cause)) throw new StoreDamageError(`${file} is damaged: ${String(cause)}`, { cause });
    if (codeOf(cause).startsWith("SQLITE_BUSY")) {
      throw new TmrError("ERR_TMR_FILE", `${file} is in use by another process`, { cause });
    }
    throw new TmrError("ERR_TMR_FILE", `${file} cannot be read: ${String(cause)}`, { cause });
  }
}

/** Pages of the write-ahead log after which it is copied into the database, which takes some milliseconds. */
const CHECKPOINT_PAGES = 1000;
/**
 * Three upstreams write the same pages. Were they to copy them at the same commits, no two of them would answer in the
 * meantime; so each does it after another number of pages.
 */
const CHECKPOINT_STAGGER = 130;

/** The name under which a store is put back; it gets its own name when it is whole. */
export function restoringFile(file: string): string {
  return `${file}.restoring`;
}

/** What an interrupted restore left must not be taken for a new server. */
function refuseHalfRestored(file: string): void {
  if (existsSync(file) || !existsSync(restoringFile(file))) return;
  throw new TmrError(
    "ERR_TMR_FILE",
    `a restore of ${file} was interrupted: run \`tmr store restore\` again, or remove ${restoringFile(file)} to begin without a store`,
  );
}

/**
 * Opens or creates the file, mode 0600, for this process alone; with `durable` each commit is on the disk when it
 * returns. `upstream`: 1, 2 or 3.
 */
export function openDatabase(file: string, upstream: number, durable: boolean): Connection {
  refuseHalfRestored(file);
  try {
    closeSync(openSync(file, "a", 0o600));
    const folder = openSync(dirname(file), "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `${file} cannot be opened: ${String(cause)}`, { cause });
  }
  return reading(file, () => {
    const database = new Database(file, { timeout: 0 });
    try {
      // Exclusive before the first read: a second process fails here instead of writing into the same log.
      database.pragma("locking_mode = EXCLUSIVE");
      database.pragma("journal_mode = WAL");
      database.pragma(`synchronous = ${durable ? "FULL" : "OFF"}`);
      database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES + CHECKPOINT_STAGGER * (upstream - 2)}`);
      database.pragma("journal_size_limit = 67108864");
      migrate(file, database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}
