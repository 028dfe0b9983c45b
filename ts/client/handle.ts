/** A license that is checked out: what it says, and what can be done with it. */
import { TmrError } from "../errors.js";
import { Kind } from "../wire/kinds.js";
import type { Result } from "../wire/result.js";
import { checkTimeout, integer, U32_MAX } from "./arguments.js";
import {
  type CryptOptions,
  checkCryptOptions,
  checkDataOptions,
  checkUserData,
  type DataName,
  type DataOptions,
} from "./data-options.js";
import type { CallOptions, ClientDriver } from "./driver.js";
import { RefusedError } from "./errors.js";
import type { Answer, CallFields } from "./types.js";

/** How long a caller waits, and how it says that it does not want to any longer. */
export interface WaitOptions {
  /** default: the session's `requestTimeoutMs` */
  readonly timeoutMs?: number;
  /** Aborting rejects with the signal's reason; a seat that is granted afterwards is given back. */
  readonly signal?: AbortSignal;
}

/** What a handle is about, as of the answer that said so. */
export interface HandleInfo {
  readonly firmCode: number;
  readonly productCode: number;
  /** item reference: the TMR-ID in the virtual container */
  readonly item: number;
  /** `mask-serial` */
  readonly container: string;
  /** seats that this handle takes */
  readonly quantity: number;
  readonly free: number;
  readonly total: number;
  /** units left, or used of a license that only counts them; 0 of one without units */
  readonly units: number;
  /** null: without end */
  readonly validUntil: Date | null;
}

/** What a result says of a handle. */
function infoOf(result: Result): HandleInfo {
  return {
    firmCode: result.firmCode,
    productCode: result.productCode,
    item: result.itemRef,
    container: `${result.mask}-${result.serial}`,
    quantity: result.quantity,
    free: result.free,
    total: result.total,
    units: result.units,
    validUntil: result.validUntilMs === 0 ? null : new Date(result.validUntilMs),
  };
}

/** One access to a license. Give it back with `release()`, or let `await using` do it. */
export class Handle {
  readonly id: number;
  /** As of the granting answer; {@link info} asks anew. */
  readonly granted: HandleInfo;
  readonly #driver: ClientDriver;
  readonly #timeoutMs: number;
  readonly #forget: (id: number) => void;
  #released: Promise<void> | null = null;

  /** Handles come from {@link Session.access}. */
  constructor(driver: ClientDriver, result: Result, timeoutMs: number, forget: (id: number) => void) {
    this.#driver = driver;
    this.#timeoutMs = timeoutMs;
    this.#forget = forget;
    this.id = result.handle;
    this.granted = infoOf(result);
  }

  /** Item reference: the TMR-ID in the virtual container. */
  get item(): number {
    return this.granted.item;
  }
  /** Seats free after this access. */
  get free(): number {
    return this.granted.free;
  }
  /** License Quantity of the item. */
  get total(): number {
    return this.granted.total;
  }
  /** Units left when it was granted, or used of a license that only counts them; 0 of one without units. */
  get units(): number {
    return this.granted.units;
  }
  /** Null: without end. */
  get validUntil(): Date | null {
    return this.granted.validUntil;
  }
  /** True while the license is held for certain: not released, not lost, and the session was confirmed in time. */
  get valid(): boolean {
    return this.#driver.holds(this.id);
  }

  /** Asks the server; ERR_TMR_REFUSED with reason `handle-unknown` or `handle-lost` when it is not held any more. */
  async info(options: WaitOptions = {}): Promise<HandleInfo> {
    const fields = { kind: Kind.info, handle: this.id };
    return infoOf((await this.#driver.call(fields, waiting(options, this.#timeoutMs))).result);
  }

  /**
   * Takes units of the license, all that were asked for or none; resolves to how it stands then. ERR_TMR_REFUSED with
   * reason `units-used-up` when there are too few. Once it was sent it is done exactly once, over any reconnecting; after
   * ERR_TMR_TIMEOUT, or a session that was lost meanwhile, it is not known whether it was: {@link info} shows the units.
   */
  async consume(units: number, options: WaitOptions = {}): Promise<HandleInfo> {
    const fields = { kind: Kind.consume, quantity: integer("units", units, 1, U32_MAX) };
    return infoOf((await this.#ask(fields, options)).result);
  }

  /** Reads data of the license; ERR_TMR_REFUSED with reason `not-found` when it has none of this sort and index. */
  async readData(which: DataName, options: DataOptions & WaitOptions = {}): Promise<Buffer> {
    return (await this.#ask({ kind: Kind.readData, ...checkDataOptions(which, options) }, options)).blob;
  }

  /** Replaces the user data of the license, at most 256 bytes, for whoever holds it. */
  async writeUserData(data: Uint8Array | string, options: WaitOptions = {}): Promise<void> {
    await this.#ask({ kind: Kind.writeUserData, ...checkUserData(data) }, options);
  }

  /**
   * Lets the servers compute with secret data of the license: HMAC-SHA-256 of `input`, or bytes of HKDF-SHA-256 with it
   * as info. The same input gives the same output always, and only who has the license can make it.
   */
  async crypt(input: Uint8Array | string, options: CryptOptions & WaitOptions = {}): Promise<Buffer> {
    return (await this.#ask({ kind: Kind.crypt, ...checkCryptOptions(input, options) }, options)).blob;
  }

  #ask(fields: CallFields, options: WaitOptions): Promise<Answer> {
    return this.#driver.call({ ...fields, handle: this.id }, waiting(options, this.#timeoutMs));
  }

  /**
   * Gives the license back. Idempotent; a handle that was lost counts as given back. Rejects when there was no answer
   * in time: the session goes on trying then, without the caller.
   */
  release(options: WaitOptions = {}): Promise<void> {
    this.#forget(this.id);
    this.#released ??= this.#release(options);
    return this.#released;
  }

  async #release(options: WaitOptions): Promise<void> {
    try {
      await this.#driver.call({ kind: Kind.release, handle: this.id }, waiting(options, this.#timeoutMs));
    } catch (error) {
      const gone = error instanceof RefusedError && /^handle-(lost|unknown)$/.test(error.reason);
      // A closed session gave back everything that it held.
      if (!gone && !(error instanceof TmrError && error.code === "ERR_TMR_CLOSED")) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/** The options of a call, with the session's own time-out where none is said. */
export function waiting(options: WaitOptions, timeoutMs: number): CallOptions {
  return { timeoutMs: checkTimeout("timeoutMs", options.timeoutMs ?? timeoutMs), signal: options.signal };
}
