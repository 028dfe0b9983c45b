/**
 * What an upstream answers to a client that connects to it directly: that it is alive, what lies in its containers, and
 * that a license with a TMR-ID is not for it (licensing.md section 5, rule 5). Nothing here goes through the log,
 * and nothing is granted: one container in the wrong hands is worthless.
 */

import { shownTerms } from "../license/terms.js";
import { getU64, isZero } from "../wire/bytes.js";
import { canonicalJson } from "../wire/canonical.js";
import { Kind, Status, type StatusCode } from "../wire/kinds.js";
import {
  isWellFormedMessage,
  isWellFormedPacket,
  MAX_PACKET_BYTES,
  MESSAGE_HEADER_BYTES,
  MessageField,
  MessageType,
  packetOf,
} from "../wire/message.js";
import { isWellFormedRequest, REQUEST_BYTES, RequestField, SESSION_BYTES } from "../wire/request.js";
import { MAX_RESULT_BLOB_BYTES, RESULT_BYTES, ResultField, writeResult } from "../wire/result.js";
import type { HeldItem } from "./statement.js";

/** A container as its file was found. */
export interface ShownContainer {
  readonly container: string;
  readonly actId: number;
  readonly items: readonly HeldItem[];
  readonly fault?: string;
}

/** What the answers are made from, asked for at each request. */
export interface DirectView {
  readonly name: string;
  containers(): readonly ShownContainer[];
  /** the status document */
  status(): unknown;
}

const TIMEOUT_MS = 120_000;

interface Outcome {
  readonly status: StatusCode;
  readonly text?: string;
  readonly nextCursor?: number;
}

export class DirectAnswers {
  /** Requests of a kind that is not known here. */
  unknownKinds = 0;
  readonly #view: DirectView;

  constructor(view: DirectView) {
    this.#view = view;
  }

  /** The packets of results to a packet of requests, or null when it is not one: the connection is to be closed. */
  answer(message: Buffer): Buffer[] | null {
    if (!isWellFormedMessage(message) || message[MessageField.type] !== MessageType.requests) return null;
    if (!isWellFormedPacket(message)) return null;
    const count = message.readUInt32LE(MessageField.count);
    const blobBytes = message.readUInt32LE(MessageField.blobBytes);
    const offsets = Array.from({ length: count }, (_, i) => MESSAGE_HEADER_BYTES + i * REQUEST_BYTES);
    if (!offsets.every((at) => isSessionRequest(message, at, blobBytes))) return null;
    return packed(offsets.map((at) => this.#result(message, at)));
  }

  #result(message: Buffer, at: number): { record: Buffer; blob: Buffer } {
    const kind = message.readUInt8(at + RequestField.kind);
    const { status, text = "", nextCursor = 0 } = this.#outcome(kind, message, at);
    const blob = Buffer.from(text, "utf8");
    const record = Buffer.alloc(RESULT_BYTES);
    const session = message.subarray(at + RequestField.session, at + RequestField.session + SESSION_BYTES);
    const request = getU64(message, at + RequestField.request);
    const lease = { timeoutMs: TIMEOUT_MS, heartbeatMs: TIMEOUT_MS / 4 };
    writeResult(record, 0, { kind, status, request, session, nextCursor, ...lease }, 0, blob.length);
    return { record, blob };
  }

  #outcome(kind: number, message: Buffer, at: number): Outcome {
    const cursor = message.readUInt32LE(at + RequestField.cursor);
    switch (kind) {
      case Kind.openSession:
      case Kind.closeSession:
      case Kind.heartbeat:
        return { status: Status.ok };
      case Kind.access:
        return this.#access(
          message.readUInt32LE(at + RequestField.firmCode),
          message.readUInt32LE(at + RequestField.productCode),
        );
      case Kind.release:
      case Kind.info:
        return { status: Status["handle-unknown"], text: `${this.#view.name} grants no handles.` };
      case Kind.containers:
        return listed(this.#view.containers().map(describeContainer), cursor);
      case Kind.items:
        return listed(this.#view.containers().flatMap(describeItems), cursor);
      case Kind.status:
        return { status: Status.ok, text: this.#status() };
      default:
        this.unknownKinds++;
        return { status: Status["bad-request"], text: `Kind ${kind} is not known to an upstream license server.` };
    }
  }

  #access(firmCode: number, productCode: number): Outcome {
    const containers = this.#view.containers();
    const found = containers.flatMap((container) =>
      container.items
        .filter((item) => item.firmCode === firmCode && item.productCode === productCode)
        .map((item) => ({ container: container.container, item })),
    );
    const license = `${firmCode}:${productCode}`;
    const tmr = found.find(({ item }) => item.tmrId !== 0);
    if (tmr !== undefined) {
      const text = `${license} in container ${tmr.container} has TMR-ID ${tmr.item.tmrId}: only the TMR servers of its system may use it.`;
      return { status: Status["tmr-only"], text };
    }
    const broken = containers.filter(({ fault }) => fault !== undefined).length;
    const where = `${containers.length} container${containers.length === 1 ? "" : "s"} of ${this.#view.name}`;
    const aside = broken === 0 ? "" : `, ${broken} of them broken`;
    const text =
      found.length > 0
        ? `${license} has no TMR-ID; this upstream serves a TMR system only.`
        : `No ${license} in the ${where}${aside}.`;
    return { status: Status["not-found"], text };
  }

  /** A list of containers too long for one result is left out: `containers` gives it in parts. */
  #status(): string {
    const document = this.#view.status() as Record<string, unknown>;
    const text = JSON.stringify(document);
    return Buffer.byteLength(text) <= MAX_RESULT_BLOB_BYTES ? text : JSON.stringify({ ...document, containers: [] });
  }
}

function isSessionRequest(message: Buffer, at: number, blobBytes: number): boolean {
  const session = at + RequestField.session;
  return (
    isWellFormedRequest(message, at, blobBytes) &&
    getU64(message, at + RequestField.request) > 0 &&
    !isZero(message, session, session + SESSION_BYTES)
  );
}

function describeContainer({ container, actId, items, fault }: ShownContainer): string {
  const tmrItems = items.filter(({ tmrId }) => tmrId !== 0).length;
  const kind = "activation";
  return canonicalJson({
    container,
    kind,
    actId,
    items: items.length,
    tmrItems,
    ...(fault === undefined ? {} : { fault }),
  });
}

function describeItems({ container, items }: ShownContainer): string[] {
  return items.map((item, i) =>
    canonicalJson({ ...shownTerms(item), container, itemRef: i + 1, tmr: item.tmrId !== 0 }),
  );
}

/** A JSON array of the entries from index `cursor` on, as many as fit. */
function listed(entries: readonly string[], cursor: number): Outcome {
  const part: string[] = [];
  let bytes = 2;
  for (const entry of entries.slice(cursor)) {
    bytes += Buffer.byteLength(entry) + 1;
    if (bytes > MAX_RESULT_BLOB_BYTES)
      return { status: Status.ok, text: `[${part.join(",")}]`, nextCursor: cursor + part.length };
    part.push(entry);
  }
  return { status: Status.ok, text: `[${part.join(",")}]` };
}

/** As many results per packet as fit into one encrypted frame. */
function packed(results: readonly { readonly record: Buffer; readonly blob: Buffer }[]): Buffer[] {
  const packets: Buffer[] = [];
  let records: Buffer[] = [];
  let blobs: Buffer[] = [];
  let blobBytes = 0;
  const flush = () => {
    if (records.length > 0) packets.push(packetOf(MessageType.results, Buffer.concat(records), Buffer.concat(blobs)));
    records = [];
    blobs = [];
    blobBytes = 0;
  };
  for (const { record, blob } of results) {
    const size = MESSAGE_HEADER_BYTES + (records.length + 1) * RESULT_BYTES + blobBytes + blob.length;
    if (size > MAX_PACKET_BYTES) flush();
    if (blob.length > 0) record.writeUInt32LE(blobBytes, ResultField.blobOffset);
    records.push(record);
    blobs.push(blob);
    blobBytes += blob.length;
  }
  flush();
  return packets;
}
