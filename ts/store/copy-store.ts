/**
 * A consistent copy of a store's files, whether a server has it open or not: nothing is locked and nothing is asked of that
 * server. SQLite writes into the database only what its write-ahead log still holds, until it begins that log anew, with
 * other salts in its head. So database first, log second, and equal salts before and after make one state: what was copied
 * half way of the database lies whole in the copied log, and a half-written end of the log was never committed.
 */
import { closeSync, copyFileSync, existsSync, openSync, readSync } from "node:fs";
import { TmrError } from "../errors.js";
import { storeFiles } from "./sqlite-store.js";

const WAL_HEAD_BYTES = 32;
/** A log is begun anew after some thousand pages at the earliest; a copy that meets that is begun anew as well. */
const MOST_PASSES = 8;

/** Copies the store `from` to files of the name `to`, which are not there yet. Throws ERR_TMR_FILE. */
export function copyStore(from: string, to: string): void {
  if (!existsSync(from)) throw new TmrError("ERR_TMR_FILE", `there is no store at ${from}`);
  const [wal = "", database = "", mark = ""] = storeFiles(from);
  const [walTo = "", databaseTo = "", markTo = ""] = storeFiles(to);
  try {
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      // The note of what was acknowledged comes first: the copy must have at least that.
      copyIfThere(mark, markTo);
      const head = walHead(wal);
      copyFileSync(database, databaseTo);
      copyIfThere(wal, walTo);
      if (walHead(wal).equals(head)) return;
    }
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `${from} cannot be copied: ${String(cause)}`, { cause });
  }
  throw new TmrError(
    "ERR_TMR_FILE",
    `${from} is written faster than it can be copied (${MOST_PASSES} passes): copy onto a faster disk, or stop its server first`,
  );
}

function copyIfThere(from: string, to: string): void {
  if (existsSync(from)) copyFileSync(from, to);
}

/** The head of a write-ahead log, of which the salts are part; empty without one. */
function walHead(wal: string): Buffer {
  if (!existsSync(wal)) return Buffer.alloc(0);
  const descriptor = openSync(wal, "r");
  try {
    const head = Buffer.alloc(WAL_HEAD_BYTES);
    return head.subarray(0, readSync(descriptor, head, 0, WAL_HEAD_BYTES, 0));
  } finally {
    closeSync(descriptor);
  }
}
