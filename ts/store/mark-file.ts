/**
 * A note beside the database: how many commits were acknowledged. SQLite silently drops everything behind a damaged
 * frame of its write-ahead log; with this note that shows as a damaged store instead of as an older one. It is
 * written after each commit and not synced: it may lag behind the database, never run ahead of it.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { getU64, isSafeU64, putU64 } from "../wire/bytes.js";

const CHECK_BYTES = 8;
const MARK_BYTES = 8 + CHECK_BYTES;

function checkOf(mark: Buffer): Buffer {
  return createHash("sha256")
    .update("tmr store mark/1\n")
    .update(mark.subarray(0, 8))
    .digest()
    .subarray(0, CHECK_BYTES);
}

/** The note, opened for the life of the store. */
export class MarkFile {
  readonly #descriptor: number;
  readonly #buffer = Buffer.alloc(MARK_BYTES);

  /** Opens or creates the file, mode 0600. Throws what the file system throws. */
  constructor(file: string) {
    // "r+" fails where there is no file, "a" would ignore positions: so create first, then open for update.
    closeSync(openSync(file, "a", 0o600));
    this.#descriptor = openSync(file, "r+");
  }

  /** Commits noted last; 0 when the note is missing or not whole, which only says that nothing is known. */
  read(): number {
    const bytes = Buffer.alloc(MARK_BYTES);
    if (readSync(this.#descriptor, bytes, 0, MARK_BYTES, 0) !== MARK_BYTES) return 0;
    return checkOf(bytes).equals(bytes.subarray(8)) && isSafeU64(bytes, 0) ? getU64(bytes, 0) : 0;
  }

  write(commits: number): void {
    putU64(this.#buffer, 0, commits);
    this.#buffer.set(checkOf(this.#buffer), 8);
    writeSync(this.#descriptor, this.#buffer, 0, MARK_BYTES, 0);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
