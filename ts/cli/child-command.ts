/** A command that `tmr` runs: standard streams are its own, signals are passed on, its end is ours. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { printable, type Terminal } from "./terminal.js";

const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
type Forwarded = (typeof forwarded)[number];
/** These reach the whole foreground group when they come from the terminal's keyboard. */
const fromKeyboard: readonly Forwarded[] = ["SIGINT", "SIGQUIT"];
/** As shells have it. */
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** Catches signals from its making on: before the command runs they abort {@link interrupted}, afterwards it gets them. */
export class ChildCommand {
  readonly #command: readonly string[];
  readonly #abort = new AbortController();
  readonly #listeners = new Map<Forwarded, () => void>();
  #child: ChildProcess | null = null;
  #signal: NodeJS.Signals = "SIGTERM";

  constructor(command: readonly string[]) {
    this.#command = command;
    for (const signal of forwarded) {
      const listener = (): void => this.#take(signal);
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
  }

  get interrupted(): AbortSignal {
    return this.#abort.signal;
  }

  /** The exit code of a process that the signal ended. */
  get interruptedCode(): number {
    return signalCode(this.#signal);
  }

  /** Runs the command to its end; resolves to its exit code as a shell would have it. */
  run(terminal: Pick<Terminal, "err">): Promise<number> {
    const [file = "", ...args] = this.#command;
    return new Promise((resolve) => {
      const child = spawn(file, args, { stdio: "inherit" });
      this.#child = child;
      child.once("error", (error: NodeJS.ErrnoException) => {
        if (child.pid !== undefined) return;
        const missing = error.code === "ENOENT";
        terminal.err(`tmr: cannot run ${printable(file)}: ${missing ? "there is no such command" : error.message}\n`);
        resolve(missing ? NOT_FOUND : NOT_EXECUTABLE);
      });
      child.once("exit", (code, signal) => resolve(code ?? signalCode(signal ?? "SIGKILL")));
    });
  }

  dispose(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
    this.#listeners.clear();
  }

  #take(signal: Forwarded): void {
    if (this.#child === null) {
      this.#signal = signal;
      this.#abort.abort(new Error(`interrupted by ${signal}`));
      return;
    }
    // The keyboard's signal has reached the command already: a second one would often mean "at once".
    if (process.stdin.isTTY && fromKeyboard.includes(signal)) return;
    this.#child.kill(signal);
  }
}

function signalCode(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}
