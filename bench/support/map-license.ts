/**
 * Floating licenses as one would first write them: Maps of objects, a digest over the changes as JSON. The control of the
 * state machine; it knows one license, and of the requests only what the bench asks.
 */
import { createHash } from "node:crypto";
import { readBatchHeader, recordOffset } from "../../ts/wire/batch.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { RequestField } from "../../ts/wire/request.js";
import { RESULT_BYTES, type Result, writeResult } from "../../ts/wire/result.js";

interface Session {
  readonly timeoutMs: number;
  deadline: number;
  readonly results: Map<number, Partial<Result>>;
}

interface Handle {
  readonly session: string;
  readonly seats: number;
  readonly mode: number;
}

/** The one license that there is. */
export interface License {
  readonly firmCode: number;
  readonly productCode: number;
  readonly itemRef: number;
  readonly seats: number;
  /** the virtual container's number */
  readonly mask: number;
  readonly serial: number;
}

/** A machine that applies batches like the license state machine. */
export class MapLicense {
  readonly #license: License;
  readonly #sessions = new Map<string, Session>();
  readonly #handles = new Map<number, Handle>();
  #used = 0;
  #granted = 0;
  #changes: unknown[] = [];
  #digest = Buffer.alloc(32);

  constructor(license: License) {
    this.#license = license;
  }

  apply(batch: Buffer): { readonly records: Buffer } {
    const { count, logMs, position } = readBatchHeader(batch);
    this.#changes = [{ position, logMs }];
    const records = Buffer.alloc(count * RESULT_BYTES);
    for (let i = 0; i < count; i++) {
      const at = recordOffset(i);
      const session = batch.subarray(at + RequestField.session, at + RequestField.session + 16);
      const request = getU64(batch, at + RequestField.request);
      const kind = batch.readUInt8(at + RequestField.kind);
      const result = this.#execute(batch, at, session.toString("hex"), kind, request, logMs);
      writeResult(records, i * RESULT_BYTES, { kind, status: Status.ok, request, session, ...result });
    }
    const changes = JSON.stringify(this.#changes);
    this.#digest = createHash("sha256").update(this.#digest).update(changes).digest();
    return { records };
  }

  #execute(batch: Buffer, at: number, name: string, kind: number, request: number, logMs: number): Partial<Result> {
    if (kind === Kind.openSession) {
      const timeoutMs = getU64(batch, at + RequestField.durationMs);
      this.#sessions.set(name, { timeoutMs, deadline: logMs + timeoutMs, results: new Map() });
      this.#changes.push({ opened: name, timeoutMs });
      return { timeoutMs, heartbeatMs: Math.floor(timeoutMs / 4) };
    }
    const session = this.#sessions.get(name);
    if (session === undefined) return { status: Status["session-unknown"] };
    session.deadline = logMs + session.timeoutMs;
    const below = getU64(batch, at + RequestField.answeredBelow);
    for (const number of session.results.keys()) if (number < below) session.results.delete(number);
    const before = session.results.get(request);
    if (before !== undefined) return before;
    const result = {
      ...(kind === Kind.access ? this.#access(batch, at, name) : this.#release(batch, at, name)),
      timeoutMs: session.timeoutMs,
      heartbeatMs: Math.floor(session.timeoutMs / 4),
    };
    session.results.set(request, result);
    this.#changes.push({ session: name, deadline: session.deadline, below, request, result });
    return result;
  }

  #access(batch: Buffer, at: number, session: string): Partial<Result> {
    const { firmCode, productCode } = this.#license;
    const isKnown =
      batch.readUInt32LE(at + RequestField.firmCode) === firmCode &&
      batch.readUInt32LE(at + RequestField.productCode) === productCode;
    const seats = batch.readUInt32LE(at + RequestField.quantity);
    if (!isKnown) return { status: Status["not-found"] };
    if (this.#used + seats > this.#license.seats) return { status: Status["no-free-license"] };
    const handle = { session, seats, mode: batch.readUInt8(at + RequestField.mode) };
    this.#handles.set(++this.#granted, handle);
    this.#used += seats;
    return this.#shown(this.#granted, handle);
  }

  #release(batch: Buffer, at: number, session: string): Partial<Result> {
    const number = getU64(batch, at + RequestField.handle);
    const handle = this.#handles.get(number);
    if (handle?.session !== session) return { status: Status["handle-unknown"] };
    this.#handles.delete(number);
    this.#used -= handle.seats;
    return this.#shown(number, handle);
  }

  #shown(number: number, { mode, seats }: Handle): Partial<Result> {
    const { firmCode, productCode, itemRef, seats: total, mask, serial } = this.#license;
    const license = { firmCode, productCode, itemRef, mask, serial, free: total - this.#used, total };
    return { handle: number, mode, quantity: seats, ...license };
  }
}
