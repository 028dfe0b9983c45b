/** Drives a license state machine by plain descriptions of batches. */
import { createHash } from "node:crypto";
import type { AnyGenesis } from "../../ts/license/genesis.js";
import type { LicenseLimits } from "../../ts/license/limits.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { statementMessage } from "../../ts/license/statement.js";
import type { Terms } from "../../ts/license/terms.js";
import {
  BATCH_HEADER_BYTES,
  isWellFormedBatch,
  MAX_BATCH_RECORDS,
  recordOffset,
  writeBatchHeader,
} from "../../ts/wire/batch.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { Kind, statusName } from "../../ts/wire/kinds.js";
import { REQUEST_BYTES, type Request, writeRequest } from "../../ts/wire/request.js";
import { RESULT_BYTES, type Result, ResultField, readResult } from "../../ts/wire/result.js";
import { licensePorts, signAs, testGenesis } from "./license-ports.js";

/** A request with its blob. */
export interface Asked extends Request {
  readonly blob?: Uint8Array;
}

/** What a batch says, apart from its position. */
export interface BatchText {
  readonly reached?: number;
  readonly logMs: number;
  readonly calendarMs?: number;
  readonly asked: readonly Asked[];
}

/** A result with its blob and the name of its status. */
export interface Told extends Result {
  readonly outcome: string;
  readonly text: string;
  /** the record and the blob, with the place of the blob masked: what must be equal in a repeat */
  readonly bytes: Buffer;
}

const systemSession = new Uint8Array(16);

export const EXPIRE: Asked = { kind: Kind.expire, request: 0, session: systemSession };

/** 16 bytes for a short name. */
export function sessionOf(name: string): Buffer {
  return createHash("md5").update(name).digest();
}

/** The blob of openSession. */
export function identityText(names: {
  readonly host?: string;
  readonly user?: string;
  readonly station?: string;
  readonly program?: string;
  readonly runtimeVersion?: string;
}): Buffer {
  const { host = "", user = "", station = "", program = "", runtimeVersion = "" } = names;
  return Buffer.concat(
    [host, user, station, program, runtimeVersion].map((name) => {
      const bytes = Buffer.from(name);
      return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    }),
  );
}

export function encodeBatch(position: number, batch: BatchText): Buffer {
  const { asked } = batch;
  const blobBytes = asked.reduce((sum, one) => sum + (one.blob?.length ?? 0), 0);
  const out = Buffer.alloc(BATCH_HEADER_BYTES + asked.length * REQUEST_BYTES + blobBytes);
  const header = { epoch: 2, position, logMs: batch.logMs, calendarMs: batch.calendarMs ?? 0, carried: 0 };
  writeBatchHeader(out, { ...header, reached: batch.reached ?? 7, count: asked.length, blobBytes }, new Uint8Array(32));
  let blobAt = 0;
  asked.forEach((one, i) => {
    const length = one.blob?.length ?? 0;
    writeRequest(out, recordOffset(i), one, blobAt, length);
    if (one.blob !== undefined) out.set(one.blob, recordOffset(asked.length) + blobAt);
    blobAt += length;
  });
  if (asked.length > MAX_BATCH_RECORDS || !isWellFormedBatch(out)) throw new Error("the test made a malformed batch");
  return out;
}

export function readAnswers(answers: { readonly records: Buffer; readonly blobs: Buffer }): Told[] {
  return Array.from({ length: answers.records.length / RESULT_BYTES }, (_, i) => {
    const record = Buffer.from(answers.records.subarray(i * RESULT_BYTES, (i + 1) * RESULT_BYTES));
    const result = readResult(record, 0);
    const from = record.readUInt32LE(ResultField.blobOffset);
    const blob = answers.blobs.subarray(from, from + record.readUInt32LE(ResultField.blobLength));
    record.writeUInt32LE(0, ResultField.blobOffset);
    const outcome = statusName(result.status);
    return { ...result, outcome, text: blob.toString("utf8"), bytes: Buffer.concat([record, blob]) };
  });
}

export function terms(some: Partial<Terms> & Pick<Terms, "tmrId">): Terms {
  return {
    actId: 1,
    firmCode: 6000010,
    productCode: 13,
    text: `Item ${some.tmrId}`,
    quantity: 1,
    featureMap: 0,
    ...some,
  };
}

export interface StatementText {
  readonly actId?: number;
  readonly container?: string;
  readonly items: readonly unknown[];
  readonly upstream: number;
  readonly version: number;
}

/** The signed statement as an upstream sends it. */
export function signedStatement(text: StatementText, payload?: Uint8Array): Buffer {
  const content = { actId: 1, container: `130-${text.upstream}`, ...text };
  const bytes = payload ?? Buffer.from(canonicalJson(content));
  return Buffer.concat([signAs(text.upstream, statementMessage(bytes)), bytes]);
}

/** The record that carries a statement into the log. */
export function stating(upstream: number, blob: Uint8Array): Asked {
  return { kind: Kind.statement, request: 0, session: systemSession, durationMs: upstream, blob };
}

/** A machine with its log position and time, for tests that tell a story. */
export class LicenseKit {
  machine: LicenseMachine;
  logMs = 1_000;
  calendarMs = Date.UTC(2030, 0, 1);
  reached = 7;
  readonly #versions = [0, 0, 0];
  readonly #numbers = new Map<string, number>();

  constructor(
    readonly limits?: LicenseLimits,
    genesis: AnyGenesis = testGenesis,
  ) {
    this.machine = LicenseMachine.create(genesis, licensePorts, limits);
  }

  /** Applies one batch at the present times. */
  run(...asked: Asked[]): Told[] {
    const { reached, logMs, calendarMs } = this;
    const batch = encodeBatch(this.machine.position + 1, { reached, logMs, calendarMs, asked });
    return readAnswers(this.machine.apply(batch));
  }

  one(asked: Asked): Told {
    const [told] = this.run(asked);
    if (told === undefined) throw new Error("no result");
    return told;
  }

  /** The next request of a session, as a well-behaved client numbers it. */
  next(session: string, kind: number, fields: Partial<Asked> = {}): Asked {
    const request = (this.#numbers.get(session) ?? 0) + 1;
    this.#numbers.set(session, request);
    return { kind, request, answeredBelow: request, session: sessionOf(session), ...fields };
  }

  ask(session: string, kind: number, fields: Partial<Asked> = {}): Told {
    return this.one(this.next(session, kind, fields));
  }

  open(session: string, durationMs = 120_000): Told {
    return this.ask(session, Kind.openSession, { durationMs });
  }

  access(session: string, fields: Partial<Asked> = {}): Told {
    return this.ask(session, Kind.access, { mode: 1, quantity: 1, firmCode: 6000010, productCode: 13, ...fields });
  }

  /** One upstream states these items, with its next version. */
  hold(upstream: 1 | 2 | 3, ...items: Terms[]): Told {
    const version = (this.#versions[upstream - 1] ?? 0) + 1;
    this.#versions[upstream - 1] = version;
    return this.one(stating(upstream, signedStatement({ items, upstream, version })));
  }

  /** All three upstreams state the same. */
  holdAll(...items: Terms[]): void {
    for (const upstream of [1, 2, 3] as const) this.hold(upstream, ...items);
  }

  /** All items of the virtual container, over as many requests as that takes. */
  items(session: string): Record<string, unknown>[] {
    const items: Record<string, unknown>[] = [];
    let cursor = 0;
    do {
      const told = this.ask(session, Kind.items, { cursor });
      if (told.outcome !== "ok") throw new Error(`items: ${told.outcome}`);
      items.push(...(JSON.parse(told.text) as Record<string, unknown>[]));
      cursor = told.nextCursor;
    } while (cursor !== 0);
    return items;
  }
}
