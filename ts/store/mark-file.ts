/**
 * A note beside the database: what was acknowledged last. SQLite silently drops everything behind a damaged frame of its
 * write-ahead log; with this note that shows as a damaged store instead of as an older one. It is written after each
 * commit and not synced: it may lag behind the database, never run ahead of it.
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { getU64, isSafeU64, putU64 } from "../wire/bytes.js";

const CHECK_BYTES = 8;
const NOTE_BYTES = 16;
const MARK_BYTES = NOTE_BYTES + CHECK_BYTES;

/**
 * What was acknowledged: every write but an append counts up `commits`, which the database counts too. Appends show by
 * the position: they are by far the most, and a row less to change is a page less to sync.
 */
export interface Noted {
  readonly commits: number;
  /** position of the newest batch after these commits */
  readonly position: number;
}

function checkOf(mark: Buffer): Buffer {
  return createHash("sha256")
    .update("tmr store mark/2\n")
    .update(mark.subarray(0, NOTE_BYTES))
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

  /** What was noted last; nothing when the note is missing or not whole, which only says that nothing is known. */
  read(): Noted {
    const bytes = Buffer.alloc(MARK_BYTES);
    const length = readSync(this.#descriptor, bytes, 0, MARK_BYTES, 0);
    const whole = length === MARK_BYTES && checkOf(bytes).equals(bytes.subarray(NOTE_BYTES));
    if (!whole || !isSafeU64(bytes, 0) || !isSafeU64(bytes, 8)) return { commits: 0, position: 0 };
    return { commits: getU64(bytes, 0), position: getU64(bytes, 8) };
  }

  write({ commits, position }: Noted): void {
    putU64(this.#buffer, 0, commits);
    putU64(this.#buffer, 8, position);
    this.#buffer.set(checkOf(this.#buffer), NOTE_BYTES);
    writeSync(this.#descriptor, this.#buffer, 0, MARK_BYTES, 0);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
