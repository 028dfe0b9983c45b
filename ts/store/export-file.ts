/**
 * A store as one file: a line that says what it is, a line of JSON that says whose, the database, and a SHA-256 over all of
 * that. It holds sessions and what they may do, so it is for its owner only, like the store itself.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, linkSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { TmrError } from "../errors.js";

const FIRST_LINE = "tmr store export/1\n";
const DIGEST_BYTES = 32;
const CHUNK_BYTES = 1024 * 1024;
const MOST_HEAD_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** What an export says of the store in it. */
export interface ExportHead {
  readonly kind: "upstream" | "standalone";
  /** as the configuration had it, for people */
  readonly name: string;
  readonly upstream: 1 | 2 | 3;
  /** hex of the 32 bytes that a store of another system does not have */
  readonly genesis: string;
  readonly storeFormat: number;
  /** hex */
  readonly incarnation: string;
  readonly promised: number;
  readonly logEpoch: number;
  readonly position: number;
  /** hex, of the position */
  readonly digest: string;
  readonly takenAt: string;
  readonly release: string;
  /** of the database that follows */
  readonly bytes: number;
}

/** Writes an export durably, mode 0600. Throws ERR_TMR_FILE; a file that is there stays as it is. */
export function writeExport(file: string, head: Omit<ExportHead, "bytes">, database: string): ExportHead {
  const temporary = `${file}.${process.pid}.new`;
  try {
    const from = openSync(database, "r");
    try {
      const whole: ExportHead = { ...head, bytes: fstatSync(from).size };
      const to = openSync(temporary, "wx", 0o600);
      try {
        const hash = createHash("sha256");
        const put = (bytes: Uint8Array): void => {
          hash.update(bytes);
          writeAll(to, bytes);
        };
        put(Buffer.from(`${FIRST_LINE}${JSON.stringify(whole)}\n`));
        copyBytes(from, 0, whole.bytes, put);
        writeAll(to, hash.digest());
        fsyncSync(to);
      } finally {
        closeSync(to);
      }
      // A link fails where a rename would silently replace.
      linkSync(temporary, file);
      syncFolderOf(file);
      return whole;
    } finally {
      closeSync(from);
    }
  } catch (error) {
    const there = (error as NodeJS.ErrnoException).code === "EEXIST";
    const reason = there ? "it is already there; an export never overwrites" : String(error);
    throw new TmrError("ERR_TMR_FILE", `cannot write ${file}: ${reason}`, { cause: error });
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Checks a whole export and writes the database in it to `database`, durably, mode 0600. Throws ERR_TMR_STORE for anything
 * but an export that is as it was written, ERR_TMR_FILE when a file cannot be read or written.
 */
export function readExport(file: string, database: string): ExportHead {
  let from: number;
  try {
    from = openSync(file, "r");
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `${file} cannot be read: ${String(cause)}`, { cause });
  }
  try {
    const { head, length } = headOf(from, file);
    const size = fstatSync(from).size;
    const expected = length + head.bytes + DIGEST_BYTES;
    if (size !== expected) throw damaged(file, `expected ${expected} bytes, received ${size}: it was cut or added to`);
    const hash = createHash("sha256");
    copyBytes(from, 0, length, (bytes) => hash.update(bytes));
    writeDatabase(from, length, head.bytes, hash, database);
    const digest = Buffer.alloc(DIGEST_BYTES);
    readSync(from, digest, 0, DIGEST_BYTES, length + head.bytes);
    if (!hash.digest().equals(digest)) {
      rmSync(database, { force: true });
      throw damaged(file, "its digest does not match: a byte of it is not as it was written");
    }
    return head;
  } finally {
    closeSync(from);
  }
}

/** Whether a file begins as an export does. */
export function isExport(file: string): boolean {
  try {
    const descriptor = openSync(file, "r");
    try {
      const start = Buffer.alloc(FIRST_LINE.length);
      readSync(descriptor, start, 0, start.length, 0);
      return start.toString("latin1") === FIRST_LINE;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return false;
  }
}

/** Makes what was done to a file's name durable. */
export function syncFolderOf(file: string): void {
  const folder = openSync(dirname(resolve(file)), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function writeDatabase(from: number, at: number, length: number, hash: Hash, database: string): void {
  let to: number | null = null;
  try {
    to = openSync(database, "w", 0o600);
    const descriptor = to;
    copyBytes(from, at, length, (bytes) => {
      hash.update(bytes);
      writeAll(descriptor, bytes);
    });
    fsyncSync(to);
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `cannot write ${database}: ${String(cause)}`, { cause });
  } finally {
    if (to !== null) closeSync(to);
  }
}

function headOf(from: number, file: string): { head: ExportHead; length: number } {
  const start = Buffer.alloc(MOST_HEAD_BYTES);
  const bytes = start.subarray(0, readSync(from, start, 0, MOST_HEAD_BYTES, 0));
  const end = bytes.indexOf(NEWLINE, FIRST_LINE.length);
  if (bytes.toString("latin1", 0, FIRST_LINE.length) !== FIRST_LINE || end < 0) {
    throw damaged(file, "it does not begin as one");
  }
  let head: unknown;
  try {
    head = JSON.parse(bytes.toString("utf8", FIRST_LINE.length, end));
  } catch (cause) {
    throw damaged(file, "its second line is not the JSON that belongs there", cause);
  }
  if (!isHead(head)) throw damaged(file, "its second line does not say whose store it is");
  return { head, length: end + 1 };
}

/** What the rest of this program relies on; the digest over all of it says whether it was altered. */
function isHead(value: unknown): value is ExportHead {
  if (typeof value !== "object" || value === null) return false;
  const { kind, upstream, genesis, bytes, promised, position } = value as Partial<Record<keyof ExportHead, unknown>>;
  const counts = [bytes, promised, position].every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
  const known = (kind === "upstream" || kind === "standalone") && [1, 2, 3].includes(upstream as number);
  return counts && known && typeof genesis === "string";
}

function copyBytes(from: number, at: number, length: number, take: (bytes: Buffer) => void): void {
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, Math.max(length, 1)));
  for (let done = 0; done < length; ) {
    const read = readSync(from, chunk, 0, Math.min(chunk.length, length - done), at + done);
    if (read === 0) throw new Error("the file ends too early");
    take(chunk.subarray(0, read));
    done += read;
  }
}

function writeAll(to: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(to, bytes, at);
}

function damaged(file: string, why: string, cause?: unknown): TmrError {
  return new TmrError("ERR_TMR_STORE", `${file} is not a sound export of a store: ${why}`, { cause });
}
