/** The writing thread as the serving thread sees it. */
import { Worker } from "node:worker_threads";
import { type ErrorCode, TmrError } from "../errors.js";
import type { SeriesOptions } from "./series-writer.js";
import type { Acknowledgement } from "./writer.js";

/** Everything that the thread needs to open the folder. */
export interface ThreadOptions extends Omit<SeriesOptions, "key" | "sign" | "pseudonym"> {
  readonly folder: string;
  /** the Ed25519 key that signs, made when it is not there; null: nothing is signed */
  readonly keyFile: string | null;
  /** null: names are written as they are */
  readonly pseudonymKey: Uint8Array | null;
}

/** What the thread is asked; `text` is what the system told. */
export interface ThreadRequest {
  readonly id: number;
  readonly call: "begin" | "take" | "tick" | "stopped" | "passive";
  readonly text: string;
  readonly nowMs: number;
}

export type ThreadAnswer =
  | { readonly id: number; readonly acknowledgement: Acknowledgement | null }
  | { readonly id: number; readonly code: ErrorCode; readonly message: string };

interface Waiting {
  readonly resolve: (acknowledgement: Acknowledgement | null) => void;
  readonly reject: (error: TmrError) => void;
}

export class WriterClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor(options: ThreadOptions) {
    this.#worker = new Worker(new URL("./writer-thread.js", import.meta.url), { workerData: options });
    this.#worker.on("message", (answer: ThreadAnswer) => this.#answered(answer));
    this.#worker.on("error", (error) => this.#failed(String(error)));
    this.#worker.on("exit", () => this.#failed("it has ended"));
  }

  /** Resolves when what was asked is durable. Rejects with the error of the thread. */
  ask(call: ThreadRequest["call"], text = ""): Promise<Acknowledgement | null> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const request: ThreadRequest = { id, call, text, nowMs: Date.now() };
      this.#worker.postMessage(request);
    });
  }

  /** Ends the thread; what it was asked before is done. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #answered(answer: ThreadAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("code" in answer) waiting?.reject(new TmrError(answer.code, answer.message));
    else waiting?.resolve(answer.acknowledgement);
  }

  #failed(reason: string): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new TmrError("ERR_TMR_FILE", `the thread that writes tracking files: ${reason}`));
    }
    this.#waiting.clear();
  }
}
