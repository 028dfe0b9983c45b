/** The requests that a server answers itself (kinds 64 to 127): its status, and signatures for borrowed licenses. */
import type { Ordering } from "../engine/types.js";
import { getU64 } from "../wire/bytes.js";
import { Kind, Status, type StatusCode } from "../wire/kinds.js";
import { RequestField, SESSION_BYTES } from "../wire/request.js";
import { RESULT_BYTES, writeResult } from "../wire/result.js";

/** Answers a request, once. */
export type Settle = (status: StatusCode, blob: Uint8Array) => void;

export interface LocalRequestsOptions {
  readonly ordering: Pick<Ordering, "takeLocalRequest" | "answer">;
  statusDocument(): Uint8Array;
  /** Gets the signatures for what is borrowed under a handle; `settle` is called once, maybe within the call. */
  attest(handle: number, nowMs: number, settle: Settle): void;
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
    switch (record.readUInt8(RequestField.kind)) {
      case Kind.status:
        this.#answer(client, record, Status.ok, this.#options.statusDocument());
        return;
      case Kind.attest:
        this.#options.attest(getU64(record, RequestField.handle), nowMs, (status, blob) =>
          this.#answer(client, record, status, blob),
        );
        return;
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
