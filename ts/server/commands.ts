/**
 * Records that whoever runs this server has asked for: proposed like the server's own, and each answered by its voted
 * result. They are numbered, so that a result finds its asker; the server's own have the number 0.
 */
import type { Ordering } from "../engine/types.js";
import { getU64 } from "../wire/bytes.js";
import { REQUEST_BYTES, writeRequest } from "../wire/request.js";
import { ResultField, readResult } from "../wire/result.js";
import type { SystemAnswer, SystemFault, SystemRecord } from "../wire/system-record.js";

/** What becomes of a record: its result, or why there is none. */
export type CommandOutcome = SystemAnswer | SystemFault;

interface Waiting {
  readonly record: Buffer;
  readonly blob: Uint8Array;
  proposed: boolean;
  readonly settle: (outcome: CommandOutcome) => void;
}

const NO_SESSION = Buffer.alloc(16);
const NO_BLOB = Buffer.alloc(0);

export class Commands {
  readonly #ordering: Pick<Ordering, "propose">;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor(ordering: Pick<Ordering, "propose">) {
    this.#ordering = ordering;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a record; `settle` is called once. */
  ask({ kind, blob = NO_BLOB, ...fields }: SystemRecord, settle: (outcome: CommandOutcome) => void): void {
    const request = this.#next++;
    const record = Buffer.alloc(REQUEST_BYTES);
    writeRequest(record, 0, { ...fields, kind, request, session: NO_SESSION }, 0, blob.length);
    this.#waiting.set(request, { record, blob, proposed: false, settle });
  }

  /** Proposes what is not proposed yet; to be called before each batch. */
  propose(): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.proposed) continue;
      if (!this.#ordering.propose(waiting.record, waiting.blob)) return;
      waiting.proposed = true;
    }
  }

  /** A proposal was carried; one that nobody here waits for is passed over. */
  carried(record: Buffer, blob: Uint8Array): void {
    const request = getU64(record, ResultField.request);
    const waiting = this.#waiting.get(request);
    if (waiting === undefined) return;
    this.#waiting.delete(request);
    waiting.settle({ result: readResult(record, 0), blob });
  }

  /** A new epoch: what was under way in the old one may have been carried or not, and is not tried twice. */
  restart(): void {
    this.#settleAll((proposed) => (proposed ? "interrupted" : null));
  }

  /** They cannot be ordered here now. What was proposed already may be carried all the same. */
  refuseAll(fault: "not-active" | "no-quorum"): void {
    this.#settleAll((proposed) => (proposed ? "interrupted" : fault));
  }

  #settleAll(faultOf: (proposed: boolean) => SystemFault | null): void {
    for (const [request, { proposed, settle }] of [...this.#waiting]) {
      const fault = faultOf(proposed);
      if (fault === null) continue;
      this.#waiting.delete(request);
      settle(fault);
    }
  }
}
