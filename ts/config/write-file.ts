/** Writing files so that they are whole or not there: to a temporary name, synced, then renamed. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { TmrError } from "../errors.js";

export interface WriteOptions {
  /** 0600 for keys; default 0644, both before the umask */
  readonly mode?: number;
  /** false (default): an existing file is an error */
  readonly replace?: boolean;
}

/** Writes a file durably. Throws ERR_TMR_FILE; then the file is as it was before. */
export function writeFileDurably(file: string, content: string | Uint8Array, options: WriteOptions = {}): void {
  const temporary = `${file}.${process.pid}.new`;
  try {
    writeSynced(temporary, content, options.mode ?? 0o644);
    if (options.replace === true) renameSync(temporary, file);
    // A link fails where a rename would silently replace.
    else linkSync(temporary, file);
    syncFolder(dirname(resolve(file)));
  } catch (error) {
    throw fileError(`cannot write ${file}`, error);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeSynced(file: string, content: string | Uint8Array, mode: number): void {
  const descriptor = openSync(file, "wx", mode);
  try {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function syncFolder(folder: string): void {
  // Windows cannot open a folder, and does not need to.
  if (process.platform === "win32") return;
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a folder and its parents; an existing one is fine. Throws ERR_TMR_FILE. */
export function makeFolder(folder: string, mode = 0o755): void {
  try {
    mkdirSync(folder, { recursive: true, mode });
  } catch (error) {
    throw fileError(`cannot make the folder ${folder}`, error);
  }
}

/** Throws ERR_TMR_FILE when something is at this path. */
export function refuseExisting(file: string, advice: string): void {
  if (existsSync(file)) throw new TmrError("ERR_TMR_FILE", `${file} is already there; ${advice}`);
}

function fileError(what: string, error: unknown): TmrError {
  const code = (error as NodeJS.ErrnoException).code;
  const reason = code === "EEXIST" ? "it is already there" : error instanceof Error ? error.message : String(error);
  return new TmrError("ERR_TMR_FILE", `${what}: ${reason}`, { cause: error });
}
