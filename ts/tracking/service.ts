/**
 * License tracking of a server that may be active: as long as it is, it asks the system for events, has them written, and
 * acknowledges with the next question what is durable. When anything changes or fails it begins anew with what the
 * system says: nothing that is written is lost by it, and nothing is written twice.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { TmrError } from "../errors.js";
import { Kind, Status, statusName } from "../wire/kinds.js";
import type { SystemAnswer, SystemRecord } from "../wire/system-record.js";
import type { Acknowledgement } from "./writer.js";
import type { WriterClient } from "./writer-client.js";

/** What the service needs of the server that it belongs to. */
export interface TrackedServer {
  /** Has a record ordered; rejects with ERR_TMR_STATE when it is not known to have been. */
  propose(record: SystemRecord): Promise<SystemAnswer>;
  /** another number for each time that this server leads, 0 = it does not */
  readonly epoch: number;
  /** position of the newest batch that was carried */
  readonly carried: number;
}

export interface TrackingLog {
  info(about: object, message: string): void;
  error(about: object, message: string): void;
}

const POLL_MS = 1_000;
/** How often a server that does not lead looks whether it does. */
const LOOK_MS = 200;
const RETRY_MS = 5_000;
/** After so many empty answers an idle system is left alone until something is ordered. */
const IDLE_ANSWERS = 2;

/** The writer's part that is used here. */
export type EventWriter = Pick<WriterClient, "ask" | "close">;

export class TrackingService {
  readonly #server: TrackedServer;
  readonly #writer: EventWriter | null;
  readonly #log: TrackingLog;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #pollMs: number;
  readonly #retryMs: number;
  #fault: string | null = null;
  #writing = false;

  /** Without a writer tracking is turned off wherever this server leads. */
  constructor(
    server: TrackedServer,
    writer: EventWriter | null,
    log: TrackingLog,
    pollMs = POLL_MS,
    retryMs = RETRY_MS,
  ) {
    this.#server = server;
    this.#writer = writer;
    this.#log = log;
    this.#pollMs = pollMs;
    this.#retryMs = retryMs;
    this.#running = this.#run();
  }

  /** Says in the files that this server stops, and ends. To be called while the server still stands. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    if (this.#writing) await this.#end("stopped");
    await this.#writer?.close();
  }

  async #run(): Promise<void> {
    await this.#mend();
    while (!this.#stopping.signal.aborted) {
      const { epoch } = this.#server;
      try {
        if (epoch !== 0) await this.#serve(epoch);
        else if (this.#writing) await this.#end("passive");
        await this.#wait(Math.min(this.#pollMs, LOOK_MS));
      } catch (error) {
        // A change of leadership is nobody's fault: what it interrupted is asked again.
        const changed = error instanceof TmrError && error.code === "ERR_TMR_STATE";
        if (!changed) this.#failed(error);
        await this.#wait(changed ? this.#pollMs : this.#retryMs);
      }
    }
  }

  /** What a death of this server left half-written is set aside at once, though the server may not lead for years. */
  async #mend(): Promise<void> {
    try {
      await this.#writer?.ask("passive");
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Writes until this epoch is over. */
  async #serve(epoch: number): Promise<void> {
    const goesOn = (): boolean => this.#server.epoch === epoch && !this.#stopping.signal.aborted;
    const writer = this.#writer;
    const { result } = await this.#ask({ kind: Kind.tracking, quantity: writer === null ? 0 : 1 });
    if (writer === null) {
      while (goesOn()) await this.#wait(this.#pollMs);
      return;
    }
    await writer.ask("begin", await this.#series());
    // Listed only for a writer that works: a list for each attempt of one that does not would push out what happened.
    if (result.quantity === 1) await this.#ask({ kind: Kind.tracking, quantity: 1, mode: 1 });
    this.#writing = true;
    this.#mended();
    let written: Acknowledgement | null = null;
    let empty = 0;
    while (goesOn()) {
      const { carried } = this.#server;
      const text = await this.#propose(recordOf(written));
      written = text === "" ? null : await writer.ask("take", text);
      if (written !== null) {
        empty = 0;
        continue;
      }
      empty += 1;
      await this.#wait(this.#pollMs);
      // Each question is a batch of its own: more than one means that something else happened.
      while (goesOn() && empty >= IDLE_ANSWERS && this.#server.carried <= carried + 1) {
        await writer.ask("tick");
        await this.#wait(this.#pollMs);
      }
      if (this.#server.carried > carried + 1) empty = 0;
    }
  }

  /** What the system says of all series. */
  async #series(): Promise<string> {
    let text = "";
    for (let cursor: number | undefined; cursor !== 0; ) {
      const answer = await this.#ask({ kind: Kind.events, mode: 1, cursor: cursor ?? 0 });
      text += Buffer.from(answer.blob).toString("utf8");
      cursor = answer.result.nextCursor;
    }
    return text;
  }

  async #propose(record: SystemRecord): Promise<string> {
    return Buffer.from((await this.#ask(record)).blob).toString("utf8");
  }

  async #ask(record: SystemRecord): Promise<SystemAnswer> {
    const answer = await this.#server.propose(record);
    if (answer.result.status === Status.ok) return answer;
    const sentence = Buffer.from(answer.blob).toString("utf8");
    throw new TmrError("ERR_TMR_REFUSED", `tracking: ${statusName(answer.result.status)}: ${sentence}`);
  }

  async #end(why: "stopped" | "passive"): Promise<void> {
    this.#writing = false;
    try {
      await this.#writer?.ask(why);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== this.#fault) {
      this.#log.error(
        { err: error },
        "license tracking cannot write; events wait in the system, the oldest go in the end",
      );
    }
    this.#fault = message;
  }

  #mended(): void {
    if (this.#fault !== null) this.#log.info({}, "license tracking writes again");
    this.#fault = null;
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}

function recordOf(written: Acknowledgement | null): SystemRecord {
  if (written === null) return { kind: Kind.events };
  const { position, record, sub, blob } = written;
  return { kind: Kind.events, handle: position, cursor: record, quantity: sub, blob };
}
