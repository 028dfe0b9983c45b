/**
 * One import at a time on one license server, whoever does it: the server itself or a command. The lock is one of
 * SQLite's on a file in the state folder, so it is gone with the process that held it, however that ended.
 */
import { join } from "node:path";
import Database from "better-sqlite3";
import { makeFolder } from "../config/write-file.js";
import { TmrError } from "../errors.js";

const LOCK_FILE = "import.lock";

/** Does work under the lock of a state folder. Throws ERR_TMR_STATE when another import is at work. */
export async function withImportLock<T>(stateFolder: string, work: () => Promise<T>): Promise<T> {
  makeFolder(stateFolder, 0o700);
  const file = join(stateFolder, LOCK_FILE);
  const database = locked(file);
  try {
    return await work();
  } finally {
    database.close();
  }
}

function locked(file: string): Database.Database {
  let database: Database.Database | null = null;
  try {
    database = new Database(file, { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE");
    return database;
  } catch (cause) {
    database?.close();
    const busy = cause instanceof Database.SqliteError && cause.code.startsWith("SQLITE_BUSY");
    if (busy) throw new TmrError("ERR_TMR_STATE", `another import is at work (${file}): wait for its end`, { cause });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TmrError("ERR_TMR_FILE", `${file} cannot be locked: ${reason}`, { cause });
  }
}
