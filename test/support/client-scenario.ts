/**
 * Drives the client's core by hand: events in, actions out as short lines, answers built from what was sent. The
 * clock stands still between steps; jitter is the smallest possible.
 */
import { ClientCore } from "../../ts/client/core.js";
import type { CallFields, CoreAction, CoreEvent, CoreOptions, Outcome } from "../../ts/client/types.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { Kind, Status, type StatusName } from "../../ts/wire/kinds.js";
import { MESSAGE_HEADER_BYTES, MessageField, MessageType, packetOf } from "../../ts/wire/message.js";
import { REQUEST_BYTES, RequestField } from "../../ts/wire/request.js";
import { RESULT_BYTES, type Result, writeResult } from "../../ts/wire/result.js";

const kindNames = new Map<number, string>(Object.entries(Kind).map(([name, code]) => [code, name]));

/** A request record as a test looks at it. */
export interface SentRequest {
  readonly kind: number;
  readonly name: string;
  readonly number: number;
  readonly session: Buffer;
  readonly answeredBelow: number;
  readonly handle: number;
  readonly mark: number;
  readonly markProof: string;
  readonly durationMs: number;
  readonly cursor: number;
  readonly blob: Buffer;
}

/** The requests of a packet that the client sent. */
export function readRequests(message: Buffer): SentRequest[] {
  const count = message.readUInt32LE(MessageField.count);
  return Array.from({ length: count }, (_, i) => {
    const at = MESSAGE_HEADER_BYTES + i * REQUEST_BYTES;
    const from = MESSAGE_HEADER_BYTES + count * REQUEST_BYTES + message.readUInt32LE(at + RequestField.blobOffset);
    const kind = message[at + RequestField.kind] ?? 0;
    return {
      kind,
      name: kindNames.get(kind) ?? String(kind),
      number: getU64(message, at + RequestField.request),
      session: Buffer.from(message.subarray(at + RequestField.session, at + RequestField.session + 16)),
      answeredBelow: getU64(message, at + RequestField.answeredBelow),
      handle: getU64(message, at + RequestField.handle),
      mark: getU64(message, at + RequestField.mark),
      markProof: message.toString("hex", at + RequestField.markProof, at + RequestField.markProof + 8),
      durationMs: getU64(message, at + RequestField.durationMs),
      cursor: message.readUInt32LE(at + RequestField.cursor),
      blob: Buffer.from(message.subarray(from, from + message.readUInt32LE(at + RequestField.blobLength))),
    };
  });
}

export type Reply = Partial<Result> & { readonly status?: number; readonly text?: string };

/** A packet of results, one per request. */
export function resultsPacket(replies: readonly (Reply & Pick<Result, "kind" | "request" | "session">)[]): Buffer {
  const records = Buffer.alloc(replies.length * RESULT_BYTES);
  const blobs: Buffer[] = [];
  let at = 0;
  replies.forEach(({ text, ...reply }, i) => {
    const blob = Buffer.from(text ?? "");
    writeResult(records, i * RESULT_BYTES, { status: Status.ok, ...reply }, at, blob.length);
    blobs.push(blob);
    at += blob.length;
  });
  return packetOf(MessageType.results, records, Buffer.concat(blobs));
}

/** Seats, sessions and time-outs as a server would name them. */
export const LEASE = { timeoutMs: 120_000, heartbeatMs: 30_000 };

export class ClientScenario {
  nowMs = 1_000;
  readonly core: ClientCore;
  /** every request ever sent, newest last */
  readonly sent: SentRequest[] = [];
  readonly outcomes = new Map<number, Outcome>();
  timerMs: number | null = null;
  #session = 0;
  #position = 0;

  constructor(options: Partial<CoreOptions> = {}) {
    this.core = new ClientCore({
      servers: 2,
      names: { host: "host", user: "user", station: "station", program: "program", runtimeVersion: "1.0.0" },
      sessionTimeoutMs: 0,
      suspectMs: 1_000,
      closeTimeoutMs: 2_000,
      random: () => 0,
      randomBytes: (count) => Buffer.alloc(count, ++this.#session),
      ...options,
    });
  }

  /** One event; returns the actions as lines, the timer left out. */
  step(event: CoreEvent): string[] {
    return this.core
      .step(event, this.nowMs)
      .map((action) => this.#line(action))
      .filter((line) => line !== "");
  }

  tick(): string[] {
    return this.step({ type: "tick" });
  }

  /** Moves the clock and ticks whenever the core asked for it. */
  wait(ms: number): string[] {
    const untilMs = this.nowMs + ms;
    const lines: string[] = [];
    while (this.timerMs !== null && this.timerMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.timerMs);
      lines.push(...this.tick());
    }
    this.nowMs = untilMs;
    return lines;
  }

  /** Queues a call and sends what is queued. */
  call(id: number, fields: CallFields, timeoutMs = 30_000): string[] {
    this.step({ type: "call", call: { id, fields, deadlineMs: this.nowMs + timeoutMs } });
    return this.tick();
  }

  connected(link: number): string[] {
    return this.step({ type: "connected", link });
  }

  disconnected(link: number, why = "connection refused"): string[] {
    return this.step({ type: "disconnected", link, why });
  }

  /** Answers the request with this number on a connection; `status` by its name. */
  answer(link: number, number: number, reply: Omit<Reply, "status"> & { status?: StatusName } = {}): string[] {
    const request = this.sent.findLast((sent) => sent.number === number);
    if (request === undefined) throw new Error(`no request ${number} was sent`);
    const { status, ...fields } = reply;
    const message = resultsPacket([
      {
        kind: request.kind,
        request: number,
        session: request.session,
        mark: ++this.#position,
        markProof: Buffer.alloc(8, this.#position),
        ...LEASE,
        ...fields,
        status: Status[status ?? "ok"],
      },
    ]);
    return this.step({ type: "message", link, message });
  }

  /** Up to an open session on connection 1 with server 0; call 1 is the caller of `connect`. */
  opened(): this {
    this.call(1, { kind: Kind.openSession });
    this.connected(1);
    this.answer(1, 1);
    return this;
  }

  /** An access by call `id` that is granted `handle`; returns its request number. */
  granted(id: number, handle: number, link = 1): number {
    this.call(id, { kind: Kind.access, firmCode: 6_000_010, productCode: 13, quantity: 1 });
    const number = this.sent.at(-1)?.number ?? 0;
    this.answer(link, number, { handle });
    return number;
  }

  #line(action: CoreAction): string {
    switch (action.type) {
      case "connect":
        return `connect ${action.link} to server ${action.server}`;
      case "disconnect":
        return `disconnect ${action.link}`;
      case "send": {
        const requests = readRequests(action.message);
        this.sent.push(...requests);
        return `send ${action.link}: ${requests.map(({ name, number }) => `${name}#${number}`).join(" ")}`;
      }
      case "settle": {
        this.outcomes.set(action.id, action.outcome);
        const { outcome } = action;
        if ("answer" in outcome) return `call ${action.id}: ok`;
        const { fault } = outcome;
        return `call ${action.id}: ${fault.code === "ERR_TMR_REFUSED" ? fault.reason : fault.code}`;
      }
      case "notice": {
        const { notice } = action;
        if (notice.type === "handle-lost") return `handle-lost ${notice.handle}`;
        return notice.type === "reconnected" ? `reconnected to server ${notice.server}` : notice.type;
      }
      case "timer":
        this.timerMs = action.atMs;
        return "";
      case "closed":
        return "closed";
    }
  }
}
