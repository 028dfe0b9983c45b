/** The requests that a TMR server answers itself (kinds 64 to 127): its status, and signatures for borrowed licenses. */
import type { Ordering } from "../engine/types.js";
import { getU64 } from "../wire/bytes.js";
import { Kind, Status, type StatusCode } from "../wire/kinds.js";
import { RequestField, SESSION_BYTES } from "../wire/request.js";
import { RESULT_BYTES, writeResult } from "../wire/result.js";
import type { Attestations } from "./attestations.js";

export interface LocalRequestsOptions {
  readonly ordering: Pick<Ordering, "takeLocalRequest" | "answer">;
  readonly attestations: Attestations;
  statusDocument(): Uint8Array;
  /** Null when this server serves, else what a client is told: where to ask. */
  notActive(): Buffer | null;
}

const nothing = Buffer.alloc(0);

export class LocalRequests {
  readonly #options: LocalRequestsOptions;

  constructor(options: LocalRequestsOptions) {
    this.#options = options;
  }

  /** Answers what has arrived, or begins to. */
  take(nowMs: number): void {
    const { ordering } = this.#options;
    for (let local = ordering.takeLocalRequest(); local !== null; local = ordering.takeLocalRequest()) {
      this.#take(local.client, local.record, nowMs);
    }
  }

  #take(client: number, record: Buffer, nowMs: number): void {
    const { attestations, notActive, statusDocument } = this.#options;
    switch (record.readUInt8(RequestField.kind)) {
      case Kind.status:
        this.#answer(client, record, Status.ok, statusDocument());
        return;
      case Kind.attest: {
        const elsewhere = notActive();
        const settle = (status: StatusCode, blob: Uint8Array) => this.#answer(client, record, status, blob);
        if (elsewhere !== null) settle(Status["not-active"], elsewhere);
        else attestations.ask(getU64(record, RequestField.handle), nowMs, settle);
        return;
      }
      default:
        this.#answer(client, record, Status["bad-request"], nothing);
    }
  }

  /** A client that has gone meanwhile is passed over by the engine. */
  #answer(client: number, request: Buffer, status: StatusCode, blob: Uint8Array): void {
    const record = Buffer.alloc(RESULT_BYTES);
    const kind = request.readUInt8(RequestField.kind);
    const session = request.subarray(RequestField.session, RequestField.session + SESSION_BYTES);
    writeResult(record, 0, { kind, status, request: getU64(request, RequestField.request), session }, 0, blob.length);
    this.#options.ordering.answer(client, record, blob);
  }
}
