/** The server's side of the file that keepalived tracks: says again and again whether it may hold the address. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The byte that says yes; any other says no. */
export const MAY_HOLD = 0x30;
const NO = "1";
const YES = "0";

const program = fileURLToPath(new URL("serving-guard.js", import.meta.url));
/** It keeps nothing: the default would let its heap grow for years before it is cleared. */
const nodeArguments = ["--max-old-space-size=16", "--max-semi-space-size=1"];
const RESTART_MS = 100;

export interface ServingFileOptions {
  readonly file: string;
  /** a server that says nothing for so long is taken for one that hangs */
  readonly silentMs: number;
  /** The process that writes the file ended by itself; another one is started. */
  ended(reason: string): void;
}

export class ServingFile {
  readonly #options: ServingFileOptions;
  #guard: ChildProcess | null = null;
  #restart: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: ServingFileOptions) {
    this.#options = options;
    this.#start();
  }

  /** To be called often: silence means that the server hangs. */
  say(mayHold: boolean): void {
    this.#guard?.stdin?.write(mayHold ? YES : NO);
  }

  /** Says no for good; resolves when that is in the file. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    const guard = this.#guard;
    if (guard === null) return Promise.resolve();
    return new Promise((resolve) => {
      guard.once("exit", () => resolve());
      guard.stdin?.end(NO);
    });
  }

  #start(): void {
    const { file, silentMs } = this.#options;
    const args = [...nodeArguments, program, file, String(silentMs)];
    const guard = spawn(process.execPath, args, { stdio: ["pipe", "ignore", "inherit"] });
    this.#guard = guard;
    let over = false;
    const end = (reason: string): void => {
      if (over) return;
      over = true;
      this.#guard = null;
      if (this.#closed) return;
      this.#options.ended(reason);
      this.#restart = setTimeout(() => this.#start(), RESTART_MS);
    };
    // A guard that is gone does not take what was on its way.
    guard.stdin?.on("error", () => {});
    guard.on("error", (error) => end(error.message));
    guard.on("exit", (code, signal) => end(signal ?? `exit code ${code}`));
  }
}
