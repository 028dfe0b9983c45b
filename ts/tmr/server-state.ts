/**
 * The only thing a TMR server keeps on disk: the highest epoch it ever used, whether the system was ever founded, and
 * what an operator accepted as lost (protocol.md section 1, rules 8 and 17). Written whole to a new file, synced,
 * renamed, and the folder synced: either the old or the new record is there after a power loss.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { TmrError } from "../errors.js";

export interface ServerRecord {
  readonly highestUsedEpoch: number;
  readonly founded: boolean;
  /** Marks up to this position count no more: an operator accepted that what they stand for is lost (rule 17). */
  readonly forgiven: number;
}

const FILE = "server-state.json";

export class ServerState {
  readonly #dir: string;
  #record: ServerRecord;

  /** Reads the record of `dir`; a folder without one is a new server. Throws ERR_TMR_FILE for a damaged record. */
  constructor(dir: string) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#dir = dir;
    this.#record = readRecord(join(dir, FILE));
  }

  get record(): ServerRecord {
    return this.#record;
  }

  /** Durable when it returns. Throws ERR_TMR_STORE_WRITE. */
  update(change: Partial<ServerRecord>): void {
    const record = { ...this.#record, ...change };
    const path = join(this.#dir, FILE);
    try {
      writeDurably(`${path}.new`, `${JSON.stringify(record)}\n`);
      renameSync(`${path}.new`, path);
      syncFolder(this.#dir);
    } catch (cause) {
      throw new TmrError("ERR_TMR_STORE_WRITE", `${path}: cannot be written`, { cause });
    }
    this.#record = record;
  }
}

function readRecord(path: string): ServerRecord {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return { highestUsedEpoch: 0, founded: false, forgiven: 0 };
    throw new TmrError("ERR_TMR_FILE", `${path}: cannot be read`, { cause });
  }
  const record = parseRecord(text);
  if (record === null) {
    throw new TmrError(
      "ERR_TMR_FILE",
      `${path}: expected {"highestUsedEpoch":n,"founded":true|false,"forgiven":n}, received other text`,
    );
  }
  return record;
}

function parseRecord(text: string): ServerRecord | null {
  try {
    const { highestUsedEpoch, founded, forgiven = 0 } = JSON.parse(text) as Partial<ServerRecord>;
    if (!isCount(highestUsedEpoch) || typeof founded !== "boolean" || !isCount(forgiven)) return null;
    return { highestUsedEpoch, founded, forgiven };
  } catch {
    return null;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, "w", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(dir: string): void {
  const folder = openSync(dir, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
