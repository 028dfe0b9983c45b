/**
 * What everybody must be told, by the simplest means: all carried batches, in order, through the naive license rules and,
 * beside them, through a state machine of production, whose results must be the same, those that no client ever hears of
 * included. Handles are numbered differently; the two numbers of one are matched when it is granted.
 */
import { LIMITS } from "../../ts/license/limits.js";
import { readParty } from "../../ts/license/party.js";
import { statementMessage } from "../../ts/license/statement.js";
import { type Terms, termsBytes } from "../../ts/license/terms.js";
import type { LicenseState } from "../../ts/upstream/license-state.js";
import { BatchField, blobAreaOffset, readBatchHeader, recordOffset } from "../../ts/wire/batch.js";
import { returnMessage } from "../../ts/wire/borrow.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { Kind, Status, statusName } from "../../ts/wire/kinds.js";
import { ADDRESS_BYTES, RequestField } from "../../ts/wire/request.js";
import { RESULT_BYTES, type Result, ResultField, readResult } from "../../ts/wire/result.js";
import {
  keyOf,
  type NaiveAsked,
  NaiveLicense,
  type NaiveNames,
  type NaiveRule,
  type Outcome,
  type Stated,
} from "../support/naive-license.js";
import { Ledger } from "./ledger.js";
import { genesis, genesisHash, ports, sha256 } from "./system.js";

export type StatementCheck = (upstream: number, message: Uint8Array, signature: Uint8Array) => boolean;

/** One execution of one request. */
export interface Execution {
  readonly position: number;
  /** where the request was executed first: a repeat is answered from what was stored then */
  readonly first: number;
  readonly isRepeat: boolean;
  readonly outcome: Outcome;
  /** what the blob must be, null = a sentence */
  readonly text: string | null;
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
    const key = keyOf(terms);
    for (const { terms: own, seats, state } of this.handles.values()) {
      if ((state === "held" || state === "borrowed") && keyOf(own) === key) sum += seats;
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
  /** what production makes of the same batches */
  readonly machine: LicenseState;
  readonly ledger = new Ledger();
  readonly license = new RememberingLicense(LIMITS, (session) => this.#names.get(session) ?? nobody);
  /** of sessions, as they said when they were opened */
  readonly #names = new Map<string, NaiveNames>();
  readonly #check: StatementCheck;
  /** documents of what is or was borrowed, by handle */
  readonly #documents = new Map<number, Buffer>();
  #accessList = "";
  /** what must be tracked, by position and in the order of the texts */
  readonly tracked = new Map<number, string[]>();
  /** results of records that servers propose, without what a server adds to them */
  readonly #systemResults = new Set<string>();
  /** handles that an administrator took away: their clients may not know yet */
  readonly cancelled = new Set<number>();
  readonly #executions = new Map<string, Execution[]>();
  readonly #oracleHandle = new Map<number, number>();
  readonly #realHandle = new Map<number, number>();
  /** text of the containers list after each position: what a read from memory would give */
  readonly #containersAt: string[] = [];
  /** set by a mutant that reads from memory: remembering costs time */
  remembers = false;
  position = 0;

  constructor(machine: LicenseState, check: StatementCheck) {
    this.machine = machine;
    this.#check = check;
    this.license.slotOf = (handle) => (this.#realHandle.get(handle) ?? 0) % SLOTS;
  }

  containersAt(position: number): string | undefined {
    return this.#containersAt[position];
  }

  /** The executions of a request, in order. */
  executions(key: string): readonly Execution[] {
    return this.#executions.get(key) ?? [];
  }

  /** The handle's number in production, 0 = none. */
  realHandle(oracle: number): number {
    return this.#realHandle.get(oracle) ?? 0;
  }

  /** Whether this is the result of a record that a server proposed. */
  isSystemResult(result: Result, blob: Uint8Array): boolean {
    return this.#systemResults.has(systemText(result, blob));
  }

  /** Takes the next batch. Returns the first difference between production and oracle, or null. */
  apply(batch: Buffer): string | null {
    const header = readBatchHeader(batch);
    this.position = header.position;
    const { records, blobs } = this.machine.apply(batch);
    this.license.begin(header.logMs, header.calendarMs, header.reached);
    this.ledger.begin(header.calendarMs);
    let different: string | null = null;
    for (let i = 0; i < header.count; i++) {
      const at = recordOffset(i);
      const result = readResult(records, i * RESULT_BYTES);
      const from = records.readUInt32LE(i * RESULT_BYTES + ResultField.blobOffset);
      const blob = blobs.subarray(from, from + records.readUInt32LE(i * RESULT_BYTES + ResultField.blobLength));
      const execution = this.#execute(batch, at, header.reached, result);
      if (result.kind >= Kind.expire) this.#systemResults.add(systemText(result, blob));
      if (execution === null) continue;
      const difference = this.difference(execution, result, blob);
      if (difference !== null) different ??= `kind ${result.kind}, record ${i}: ${difference}`;
      this.#note(batch, at, execution, result, blob);
    }
    const events = this.license.events.splice(0);
    if (events.length > 0) {
      const texts = events.map(({ event, handle, cause }) => eventText(event, this.realHandle(handle), cause));
      this.tracked.set(this.position, texts.sort());
    }
    if (this.remembers) this.#containersAt[this.position] = JSON.stringify(this.#containers(header.reached));
    return different;
  }

  /** What later batches need to know of this result. */
  #note(batch: Buffer, at: number, execution: Execution, result: Result, blob: Buffer): void {
    if (result.status !== Status.ok) return;
    if (result.kind === Kind.cancelHandle) this.cancelled.add(result.handle);
    if (result.kind === Kind.borrow) this.#documents.set(result.handle, Buffer.from(blob));
    if (!execution.isRepeat) this.ledger.note(result, batch.readUInt32LE(at + RequestField.quantity));
  }

  /** The first difference between an answer and what the model says of it, or null. */
  difference(execution: Execution, result: Result, blob: Buffer): string | null {
    const { outcome, text } = execution;
    const handle = outcome.handle === 0 ? 0 : this.#match(outcome.handle, result.handle);
    const pairs: [string, unknown, unknown][] = [
      ["status", outcome.status, statusName(result.status)],
      ["handle", handle, result.handle],
      ["mode", outcome.mode, result.mode],
      ["quantity", outcome.quantity, result.quantity],
      ["firmCode", outcome.firmCode, result.firmCode],
      ["productCode", outcome.productCode, result.productCode],
      ["itemRef", outcome.itemRef, result.itemRef],
      ["free", outcome.free, result.free],
      ["total", outcome.total, result.total],
      ["validUntilMs", outcome.validUntilMs, result.validUntilMs],
      ["units", outcome.units, result.units],
      ["timeoutMs", outcome.timeoutMs, result.timeoutMs],
      ["nextExpiryMs", outcome.nextExpiryMs, result.nextExpiryMs],
      // A longer list comes in parts: the first says nothing about the whole.
      ["list", text, text === null || result.nextCursor !== 0 ? text : sortedText(blob)],
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

  /** Null for what the oracle says nothing about. */
  #execute(batch: Buffer, at: number, reached: number, result: Result): Execution | null {
    const kind = batch[at + RequestField.kind] as number;
    if (kind >= Kind.expire) {
      const outcome = this.#administer(kind, batch, at, reached);
      const text = kind === Kind.readAccessList ? this.#accessList : null;
      return outcome === null
        ? null
        : { position: this.position, first: this.position, isRepeat: false, outcome, text };
    }
    const key = requestKey(batch, at);
    const name = batch.toString("latin1", at + RequestField.session, at + RequestField.session + 16);
    if (kind === Kind.openSession && !this.license.sessions.has(name)) {
      this.#names.set(name, readParty(Buffer.concat([Buffer.alloc(ADDRESS_BYTES), blobAt(batch, at)])));
    }
    const outcome = this.#outcome(name, kind, batch, at, reached);
    const executions = this.#executions.get(key) ?? [];
    const before = executions.find((execution) => execution.outcome === outcome);
    // A handle is matched before the list that names it is made.
    if (outcome.handle !== 0) this.#match(outcome.handle, result.handle);
    const text = before?.text ?? this.#textOf(kind, outcome.list);
    const { position } = this;
    const execution = { position, first: before?.first ?? position, isRepeat: before !== undefined, outcome, text };
    executions.push(execution);
    this.#executions.set(key, executions);
    return execution;
  }

  #administer(kind: number, batch: Buffer, at: number, reached: number): Outcome | null {
    const { license } = this;
    const blob = blobAt(batch, at);
    switch (kind) {
      case Kind.expire:
        return license.expire();
      case Kind.statement:
        return license.state(this.#stated(batch, at));
      case Kind.cancelHandle:
        return license.cancel(this.#oracleHandle.get(getU64(batch, at + RequestField.handle)) ?? 0);
      case Kind.setAccessList: {
        const document = JSON.parse(blob.toString("utf8")) as { rules: NaiveRule[] };
        this.#accessList = document.rules.length === 0 ? "" : JSON.stringify(sorted(document));
        return license.setRules(document.rules);
      }
      case Kind.readAccessList:
        return { ...license.readNothing(), total: Buffer.byteLength(this.#accessList) };
      case Kind.setNamedUser:
        return license.setNamedUser(this.#asked(kind, batch, at), blob.toString("utf8"), reached);
      case Kind.tracking:
        return license.setTracking(batch.readUInt32LE(at + RequestField.quantity) === 1);
      default:
        return null;
    }
  }

  /** A list as JSON with its keys in order, handles by their numbers in production. */
  #textOf(kind: number, list: unknown): string | null {
    if (list === null) return null;
    if (kind === Kind.borrow) return this.#document(list as { handle: number; terms: Terms });
    if (kind !== Kind.handles) return JSON.stringify(sorted(list));
    const rows = (list as { handle: number }[]).map((row) => ({ ...row, handle: this.realHandle(row.handle) }));
    return JSON.stringify(sorted(rows.sort((a, b) => (a.handle % SLOTS) - (b.handle % SLOTS))));
  }

  #document(about: { readonly handle: number; readonly terms: Terms }): string {
    return canonicalJson({
      ...about,
      system: Buffer.from(genesisHash).toString("base64url"),
      container: genesis.virtualContainer,
      terms: sha256(termsBytes(about.terms)).toString("base64url"),
      handle: this.realHandle(about.handle),
    });
  }

  #asked(kind: number, batch: Buffer, at: number): NaiveAsked {
    const handle = getU64(batch, at + RequestField.handle);
    const blob = blobAt(batch, at);
    return {
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
      handle: this.#oracleHandle.get(handle) ?? 0,
      durationMs: getU64(batch, at + RequestField.durationMs),
      blob,
      genuine: kind === Kind.returnBorrow && this.#isSignedByBorrower(handle, blob),
    };
  }

  #isSignedByBorrower(handle: number, signature: Buffer): boolean {
    const document = this.#documents.get(handle);
    if (document === undefined || signature.length !== 64) return false;
    const { key } = JSON.parse(document.toString("utf8")) as { key: string };
    return ports.verifyEd25519(Buffer.from(key, "base64url"), returnMessage(document), signature);
  }

  #outcome(name: string, kind: number, batch: Buffer, at: number, reached: number): Outcome {
    const asked = this.#asked(kind, batch, at);
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
        container: genesis.virtualContainer,
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

/** Handles name their slot in their low bits. */
const SLOTS = 2 ** 18;

/** As the model and a tracked event say it. */
export function eventText(event: string, handle: number, cause: string): string {
  return `${event} ${handle} ${cause}`;
}

function systemText({ mark: _mark, markProof: _proof, ...result }: Result, blob: Uint8Array): string {
  return `${JSON.stringify({ ...result, session: "" })}${Buffer.from(blob).toString("latin1")}`;
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
  if (blob.length === 0) return "";
  try {
    return JSON.stringify(sorted(JSON.parse(blob.toString("utf8"))));
  } catch {
    return "(not JSON)";
  }
}
