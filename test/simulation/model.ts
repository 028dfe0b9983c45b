/**
 * What every client must be told, by the simplest means: all carried batches, in order, through the naive license
 * rules. Handles are numbered differently there; the two numbers of a handle are matched when a client first hears of it.
 */
import { LIMITS } from "../../ts/license/limits.js";
import { readParty } from "../../ts/license/party.js";
import { statementMessage } from "../../ts/license/statement.js";
import type { Terms } from "../../ts/license/terms.js";
import { BatchField, blobAreaOffset, readBatchHeader, recordOffset } from "../../ts/wire/batch.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { Kind, statusName } from "../../ts/wire/kinds.js";
import { ADDRESS_BYTES, RequestField } from "../../ts/wire/request.js";
import type { Result } from "../../ts/wire/result.js";
import type { Asked } from "../support/license-kit.js";
import { NaiveLicense, type NaiveNames, type Outcome, type Stated } from "../support/naive-license.js";

export type StatementCheck = (upstream: number, message: Uint8Array, signature: Uint8Array) => boolean;

/** One execution of one request. */
export interface Execution {
  readonly position: number;
  /** where the request was executed first: a repeat is answered from what was stored then */
  readonly first: number;
  readonly outcome: Outcome;
}

/** The oracle, asked often: what the statements give is worked out once per statement. */
class RememberingLicense extends NaiveLicense {
  #items: NaiveLicense["items"] | null = null;

  override get items(): NaiveLicense["items"] {
    this.#items ??= super.items;
    return this.#items;
  }

  override used(terms: Terms): number {
    let sum = 0;
    for (const { terms: own, seats, state } of this.handles.values()) {
      if (
        state === "held" &&
        own.productCode === terms.productCode &&
        own.tmrId === terms.tmrId &&
        own.actId === terms.actId
      )
        sum += seats;
    }
    return sum;
  }

  override state(stated: Stated): Outcome {
    this.#items = null;
    return super.state(stated);
  }
}

export function requestKey(bytes: Buffer, at: number): string {
  const session = bytes.toString("latin1", at + RequestField.session, at + RequestField.session + 16);
  return `${session}${getU64(bytes, at + RequestField.request)}`;
}

export class Model {
  readonly license = new RememberingLicense(LIMITS, (session) => this.#names.get(session) ?? nobody);
  /** of sessions, as they said when they were opened */
  readonly #names = new Map<string, NaiveNames>();
  readonly #container: string;
  readonly #check: StatementCheck;
  readonly #executions = new Map<string, Execution[]>();
  readonly #oracleHandle = new Map<number, number>();
  readonly #realHandle = new Map<number, number>();
  /** text of the containers list after each position: what a read from memory would give */
  readonly #containersAt: string[] = [];
  /** set by a mutant that reads from memory: remembering costs time */
  remembers = false;
  position = 0;

  constructor(container: string, check: StatementCheck) {
    this.#container = container;
    this.#check = check;
    this.license.slotOf = (handle) => (this.#realHandle.get(handle) ?? 0) % 2 ** 18;
  }

  containersAt(position: number): string | undefined {
    return this.#containersAt[position];
  }

  /** The executions of a request, in order. */
  executions(key: string): readonly Execution[] {
    return this.#executions.get(key) ?? [];
  }

  apply(batch: Buffer): void {
    const header = readBatchHeader(batch);
    this.position = header.position;
    this.license.begin(header.logMs, header.calendarMs, header.reached);
    for (let i = 0; i < header.count; i++) this.#execute(batch, recordOffset(i), header.reached);
    if (this.remembers) this.#containersAt[this.position] = JSON.stringify(this.#containers(header.reached));
  }

  /** The first difference between an answer and what the model says of it, or null. */
  difference(execution: Execution, result: Result, blob: Buffer): string | null {
    const { outcome } = execution;
    const handle = outcome.handle === 0 ? 0 : this.#match(outcome.handle, result.handle);
    const list = outcome.list === null ? null : JSON.stringify(outcome.list);
    const pairs: [string, unknown, unknown][] = [
      ["status", outcome.status, statusName(result.status)],
      ["handle", handle, result.handle],
      ["mode", outcome.mode, result.mode],
      ["quantity", outcome.quantity, result.quantity],
      ["itemRef", outcome.itemRef, result.itemRef],
      ["free", outcome.free, result.free],
      ["total", outcome.total, result.total],
      ["validUntilMs", outcome.validUntilMs, result.validUntilMs],
      ["units", outcome.units, result.units],
      ["timeoutMs", outcome.timeoutMs, result.timeoutMs],
      ["list", list, list === null ? null : sortedText(blob)],
    ];
    const different = pairs.find(([, expected, received]) => expected !== received);
    return different === undefined
      ? null
      : `${different[0]}: expected ${String(different[1])}, received ${String(different[2])}`;
  }

  #match(oracle: number, real: number): number {
    const known = this.#realHandle.get(oracle);
    if (known !== undefined) return known;
    if (this.#oracleHandle.has(real)) return -1;
    this.#realHandle.set(oracle, real);
    this.#oracleHandle.set(real, oracle);
    return real;
  }

  #execute(batch: Buffer, at: number, reached: number): void {
    const kind = batch[at + RequestField.kind] as number;
    if (kind === Kind.expire) {
      this.license.expire();
      return;
    }
    if (kind === Kind.statement) {
      this.license.state(this.#stated(batch, at));
      return;
    }
    if (kind === Kind.cancelHandle) {
      this.license.cancel(this.#oracleHandle.get(getU64(batch, at + RequestField.handle)) ?? 0);
      return;
    }
    if (kind === Kind.checkpoint) return;
    const key = requestKey(batch, at);
    const name = batch.toString("latin1", at + RequestField.session, at + RequestField.session + 16);
    if (kind === Kind.openSession && !this.license.sessions.has(name)) {
      this.#names.set(name, readParty(Buffer.concat([Buffer.alloc(ADDRESS_BYTES), blobAt(batch, at)])));
    }
    const outcome = this.#outcome(name, kind, batch, at, reached);
    const executions = this.#executions.get(key) ?? [];
    const first = executions.find((execution) => execution.outcome === outcome)?.first ?? this.position;
    executions.push({ position: this.position, first, outcome });
    this.#executions.set(key, executions);
  }

  #outcome(name: string, kind: number, batch: Buffer, at: number, reached: number): Outcome {
    const asked: Asked = {
      kind,
      mode: batch[at + RequestField.mode] as number,
      quantity: batch.readUInt32LE(at + RequestField.quantity),
      request: getU64(batch, at + RequestField.request),
      session: batch.subarray(at + RequestField.session, at + RequestField.session + 16),
      answeredBelow: getU64(batch, at + RequestField.answeredBelow),
      firmCode: batch.readUInt32LE(at + RequestField.firmCode),
      productCode: batch.readUInt32LE(at + RequestField.productCode),
      featureMap: batch.readUInt32LE(at + RequestField.featureMap),
      itemRef: batch.readUInt32LE(at + RequestField.itemRef),
      handle: this.#oracleHandle.get(getU64(batch, at + RequestField.handle)) ?? 0,
      durationMs: getU64(batch, at + RequestField.durationMs),
    };
    if (kind === Kind.items) {
      const outcome = this.license.execute(name, asked, reached);
      return outcome.list === null ? outcome : { ...outcome, list: sorted(outcome.list) };
    }
    if (kind !== Kind.containers) return this.license.execute(name, asked, reached);
    // The oracle has no such list; for the session it is like a heartbeat.
    const outcome = this.license.execute(name, { ...asked, kind: Kind.heartbeat }, reached);
    return outcome.status === "ok" ? { ...outcome, list: this.#containers(reached) } : outcome;
  }

  #containers(reached: number): unknown {
    const shown = this.license.items.filter(
      ({ holders }) => holders.filter((upstream) => ((reached >> (upstream - 1)) & 1) === 1).length >= 2,
    );
    return sorted([
      {
        container: this.#container,
        kind: "virtual",
        items: shown.length,
        sessions: this.license.sessions.size,
        handles: this.license.shownHandles,
      },
    ]);
  }

  #stated(batch: Buffer, at: number): Stated {
    const upstream = getU64(batch, at + RequestField.durationMs) as 1 | 2 | 3;
    const bytes = blobAt(batch, at);
    const payload = bytes.subarray(64);
    const genuine = this.#check(upstream, statementMessage(payload), bytes.subarray(0, 64));
    if (!genuine) return { upstream, version: 0, items: [], genuine: false };
    const content = JSON.parse(payload.toString("utf8")) as { version: number; items: Terms[]; upstream: number };
    return { upstream, version: content.version, items: content.items, genuine: content.upstream === upstream };
  }
}

const nobody: NaiveNames = { host: "", user: "", station: "", program: "" };

function blobAt(batch: Buffer, at: number): Buffer {
  const area = blobAreaOffset(batch.readUInt32LE(BatchField.count));
  const from = area + batch.readUInt32LE(at + RequestField.blobOffset);
  return batch.subarray(from, from + batch.readUInt32LE(at + RequestField.blobLength));
}

/** The same value with every object's keys in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

function sortedText(blob: Buffer): string {
  try {
    return JSON.stringify(sorted(JSON.parse(blob.toString("utf8"))));
  } catch {
    return "(not JSON)";
  }
}
