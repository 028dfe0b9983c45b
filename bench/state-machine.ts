/**
 * The license state machine of an upstream: a batch of accesses, then a batch that gives them back. Its tables are flat
 * arrays with integers for names, and its digest follows the changes, so what is held costs nothing.
 */

import { encodeBatch, LicenseKit, sessionOf, terms } from "../test/support/license-kit.js";
import { BatchField, recordOffset } from "../ts/wire/batch.js";
import { putU64 } from "../ts/wire/bytes.js";
import { Kind } from "../ts/wire/kinds.js";
import { RequestField } from "../ts/wire/request.js";
import { RESULT_BYTES, ResultField } from "../ts/wire/result.js";
import type { Bench, Case, Prepared } from "./support/bench.js";
import { compare } from "./support/compare.js";
import { MapLicense } from "./support/map-license.js";

const SESSIONS = 64;
const SEATS = 190_000;
const PRODUCT = { firmCode: 6_000_010, productCode: 13 };
const FIRST_LOG_MS = 1_000;
const names = Array.from({ length: SESSIONS }, (_, i) => `session ${i}`);

/** What applies a batch: the state machine, or its control. */
interface Machine {
  apply(batch: Buffer): { readonly records: Buffer };
}

/** One request of every session, as bytes in which only numbers have to be changed for the next time. */
class Batch {
  readonly bytes: Buffer;

  constructor(kind: number) {
    const asked = names.map((name) => ({
      kind,
      request: 1,
      session: sessionOf(name),
      ...(kind === Kind.access ? { ...PRODUCT, mode: 1, quantity: 1 } : {}),
      ...(kind === Kind.openSession ? { durationMs: 120_000 } : {}),
    }));
    this.bytes = encodeBatch(1, { logMs: FIRST_LOG_MS, calendarMs: Date.UTC(2030, 0, 1), asked });
  }

  /** The batch at this position, with this number of request; `handles` are what it gives back. */
  next(position: number, request: number, handles: Buffer | null): Buffer {
    putU64(this.bytes, BatchField.position, position);
    putU64(this.bytes, BatchField.logMs, FIRST_LOG_MS + position);
    for (let i = 0; i < SESSIONS; i++) {
      const at = recordOffset(i);
      putU64(this.bytes, at + RequestField.request, request);
      putU64(this.bytes, at + RequestField.answeredBelow, request);
      if (handles === null) continue;
      const handle = i * RESULT_BYTES + ResultField.handle;
      handles.copy(this.bytes, at + RequestField.handle, handle, handle + 8);
    }
    return this.bytes;
  }
}

/** Every session accesses and releases once per run, while `held` handles stay open. */
class Checkouts implements Prepared {
  readonly #machine: Machine;
  readonly #accesses = new Batch(Kind.access);
  readonly #releases = new Batch(Kind.release);
  readonly #results = Buffer.alloc(2 * SESSIONS * RESULT_BYTES);
  #position: number;
  #request = 0;

  /** `position`: of the machine's last batch. */
  constructor(machine: Machine, position: number, held: number) {
    this.#machine = machine;
    this.#position = position;
    this.#apply(new Batch(Kind.openSession), null);
    for (let i = 0; i < held; i += SESSIONS) this.#apply(this.#accesses, null);
  }

  run(): void {
    const granted = this.#apply(this.#accesses, null);
    granted.copy(this.#results);
    this.#apply(this.#releases, this.#results).copy(this.#results, SESSIONS * RESULT_BYTES);
  }

  /** The results, apart from the numbers of the handles and, where others hold some, how many seats are left. */
  output(): Uint8Array {
    const results = Buffer.from(this.#results);
    for (let at = 0; at < results.length; at += RESULT_BYTES) {
      results.fill(0, at + ResultField.request, at + ResultField.session);
      results.fill(0, at + ResultField.handle, at + ResultField.handle + 8);
      results.fill(0, at + ResultField.free, at + ResultField.free + 4);
    }
    return results;
  }

  #apply(batch: Batch, handles: Buffer | null): Buffer {
    return this.#machine.apply(batch.next(++this.#position, ++this.#request, handles)).records;
  }
}

function checkouts(name: string, held: number): Case {
  const prepare = (): Prepared => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ ...PRODUCT, tmrId: 1, quantity: SEATS }));
    return new Checkouts(kit.machine, kit.machine.position, held);
  };
  return { name, operations: 2 * SESSIONS, prepare };
}

function mapCheckouts(held: number): Case {
  const license = { ...PRODUCT, itemRef: 1, seats: SEATS, mask: 131, serial: 729_831_162 };
  const prepare = (): Prepared => new Checkouts(new MapLicense(license), 0, held);
  return { name: "Maps of objects", operations: 2 * SESSIONS, prepare };
}

export const stateMachine: Bench = {
  name: "state-machine",
  claim: "a request costs the same however many handles are held, and less than on Maps of objects",
  control: "the same machine with 128 handles held; Maps of objects whose changes are digested as JSON",
  disproof: "more than 1.2 times the cost at 100,000 handles; Maps that are as fast",
  measure: (effort) => {
    // Multiples of the sessions, of which each holds as many as the others.
    const many = effort.smoke ? 1_024 : 100_032;
    const few = effort.smoke ? 64 : 128;
    const label = many.toLocaleString("en");
    return compare(
      [
        {
          work: `per request, ${label} handles held`,
          subject: checkouts(`${label} handles`, many),
          controls: [
            {
              ...checkouts(`${few} handles`, few),
              goal: { kind: "cost", atMost: 1.2, words: "≤ 1.2 × the cost" },
            },
            mapCheckouts(many),
          ],
        },
      ],
      effort,
    );
  },
};
