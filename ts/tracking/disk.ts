/** What a tracking folder is for its writer: a port, so that a test can break it at every step; and the real one. */
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { TmrError } from "../errors.js";

/** Reading a folder of tracking files. */
export interface TrackingReader {
  list(): readonly string[];
  read(name: string): Buffer;
}

/** All of it is synchronous: the writer has a thread of its own. */
export interface TrackingDisk extends TrackingReader {
  size(name: string): number;
  append(name: string, bytes: Uint8Array): void;
  /** What was appended is durable when this returns, and so is the file's name. */
  sync(name: string): void;
  truncate(name: string, bytes: number): void;
  /** The file has this content, wholly and durably, or the one before. */
  replace(name: string, bytes: Uint8Array): void;
  rename(from: string, to: string): void;
  remove(name: string): void;
}

const OWNER_ONLY = 0o600;

/** A folder for reading. */
export class FolderReader implements TrackingReader {
  constructor(readonly folder: string) {}

  list(): readonly string[] {
    return attempt(this.folder, "read", () => readdirSync(this.folder));
  }

  read(name: string): Buffer {
    const path = join(this.folder, name);
    return attempt(path, "read", () => readFileSync(path));
  }
}

/** A folder that belongs to a writer; made when it is not there. */
export class FolderDisk extends FolderReader implements TrackingDisk {
  constructor(folder: string) {
    super(folder);
    attempt(folder, "made", () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
  }

  size(name: string): number {
    const path = join(this.folder, name);
    return attempt(path, "read", () => statSync(path).size);
  }

  append(name: string, bytes: Uint8Array): void {
    this.#withFile(name, "a", (descriptor) => writeAll(descriptor, bytes));
  }

  sync(name: string): void {
    this.#withFile(name, "a", fsyncSync);
    this.#syncFolder();
  }

  truncate(name: string, bytes: number): void {
    this.#withFile(name, "r+", (descriptor) => {
      ftruncateSync(descriptor, bytes);
      fsyncSync(descriptor);
    });
  }

  replace(name: string, bytes: Uint8Array): void {
    const fresh = `${name}.new`;
    this.#withFile(fresh, "w", (descriptor) => {
      writeAll(descriptor, bytes);
      fsyncSync(descriptor);
    });
    this.rename(fresh, name);
  }

  rename(from: string, to: string): void {
    const path = join(this.folder, to);
    attempt(path, "written", () => renameSync(join(this.folder, from), path));
    this.#syncFolder();
  }

  remove(name: string): void {
    const path = join(this.folder, name);
    attempt(path, "removed", () => rmSync(path, { force: true }));
  }

  #syncFolder(): void {
    attempt(this.folder, "written", () => {
      const descriptor = openSync(this.folder, "r");
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  #withFile(name: string, flags: string, use: (descriptor: number) => void): void {
    const path = join(this.folder, name);
    attempt(path, "written", () => {
      const descriptor = openSync(path, flags, OWNER_ONLY);
      try {
        use(descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

function attempt<T>(path: string, what: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `${path}: cannot be ${what}: ${(cause as Error).message}`, { cause });
  }
}
