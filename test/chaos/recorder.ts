/** Writes what one client process does into a file: each line is there before the next thing happens, kill or not. */
import { openSync, writeSync } from "node:fs";
import { RefusedError } from "../../ts/client/errors.js";
import { TmrError } from "../../ts/errors.js";
import type { ClientLine, EventLine, Granted, Operation, OperationLine } from "./history.js";
import type { AnswerTap } from "./tap.js";

/** Nanoseconds since `startNs` of the clock that all processes of this machine share. */
export function clock(startNs: bigint): () => number {
  return () => Number(process.hrtime.bigint() - startNs);
}

export class Recorder {
  readonly #process: string;
  readonly #file: number;
  readonly #nowNs: () => number;
  readonly #tap: AnswerTap;
  #calls = 0;

  constructor(process: string, file: string, nowNs: () => number, tap: AnswerTap) {
    this.#process = process;
    this.#file = openSync(file, "a", 0o600);
    this.#nowNs = nowNs;
    this.#tap = tap;
  }

  event(event: EventLine["event"], detail?: { handle?: number; detail?: string }): void {
    this.#write({ type: "event", event, process: this.#process, atNs: this.#nowNs(), ...detail });
  }

  /** Runs one operation and records both ends of it. Resolves to null when it was refused or failed. */
  async run<T>(
    operation: Operation,
    about: Pick<OperationLine, "license" | "arguments">,
    call: () => Promise<T>,
    granted: (value: T) => Granted,
  ): Promise<T | null> {
    const number = ++this.#calls;
    this.#write({
      type: "call",
      call: number,
      process: this.#process,
      session: this.#session,
      operation,
      ...about,
      callNs: this.#nowNs(),
    });
    let value: T | null = null;
    let result: OperationLine["result"];
    try {
      value = await call();
      result = { ok: granted(value) };
    } catch (error) {
      result = resultOf(error);
    }
    const position = "error" in result ? null : this.#tap.positionOf(operation);
    this.#write({ type: "return", call: number, session: this.#session, returnNs: this.#nowNs(), result, position });
    return value;
  }

  get #session(): string {
    return `${this.#process}/${this.#tap.session}`;
  }

  #write(line: ClientLine): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}

function resultOf(error: unknown): Exclude<OperationLine["result"], "unknown"> {
  if (error instanceof RefusedError) return { refused: error.reason, text: error.message };
  if (error instanceof TmrError) return { error: error.code, text: error.message };
  return { error: "unexpected", text: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
