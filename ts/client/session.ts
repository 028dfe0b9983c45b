/** What a program holds: a session with the TMR system, and handles of licenses that it has checked out. */
import { EventEmitter } from "node:events";
import { TmrError } from "../errors.js";
import { AccessMode, Kind } from "../wire/kinds.js";
import type { Result } from "../wire/result.js";
import type { ServerStatus } from "../wire/server-status.js";
import { checkAccess, checkTimeout } from "./arguments.js";
import type { CallOptions, ClientDriver } from "./driver.js";
import { RefusedError } from "./errors.js";
import { parseJson, parseServerStatus } from "./server-status.js";
import type { Answer, CallFields, SessionNotice } from "./types.js";

/** How long a caller waits, and how it says that it does not want to any longer. */
export interface WaitOptions {
  /** default: the session's `requestTimeoutMs` */
  readonly timeoutMs?: number;
  /** Aborting rejects with the signal's reason; a seat that is granted afterwards is given back. */
  readonly signal?: AbortSignal;
}

export type AccessModeName = "user-limit" | "no-user-limit" | "station-share" | "exclusive";

export interface AccessOptions extends WaitOptions {
  readonly firmCode: number;
  readonly productCode: number;
  /** seats, default 1 */
  readonly quantity?: number;
  /** bits that the license must have */
  readonly featureMap?: number;
  /** default "user-limit" (licensing.md section 4) */
  readonly mode?: AccessModeName;
}

/** One license of a container, as `items` lists it. */
export interface Item {
  readonly itemRef: number;
  readonly firmCode: number;
  readonly productCode: number;
  readonly text: string;
  readonly quantity: number;
  readonly used: number;
  readonly free: number;
  /** seats that are taken for everyone but whom the access list keeps them for */
  readonly reserved?: number;
  /** `mask-serial`, from a server of several containers */
  readonly container?: string;
  readonly featureMap: number;
  /** ms since 1970 */
  readonly activationMs?: number;
  /** ms since 1970 */
  readonly expirationMs?: number;
  readonly ownerInformation?: string;
  /** upstreams that hold it with equal terms */
  readonly holders: readonly number[];
  /** the upstream whose copy differs */
  readonly odd?: number;
}

export interface Container {
  /** `mask-serial` */
  readonly container: string;
  readonly kind: string;
  readonly items: number;
  readonly sessions: number;
  readonly handles: number;
}

/** One access that takes or waits for a license, as `handles` lists it. */
export interface HeldHandle {
  readonly handle: number;
  readonly firmCode: number;
  /** as it was asked for; a module's seat is counted at the item that the module is of */
  readonly productCode: number;
  readonly itemRef: number;
  /** seats taken; 0 with no user limit */
  readonly seats: number;
  /** AccessMode of the wire format */
  readonly mode: number;
  readonly host: string;
  readonly user: string;
  readonly station: string;
  readonly program: string;
  /** ms since 1970 */
  readonly sinceMs: number;
  readonly state: "held" | "queued" | "lingering" | "borrowed";
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
  /** null: without end */
  readonly validUntil: Date | null;
}

export interface SessionEvents {
  /** the handle is not held any more; a new access is needed */
  "handle-lost": [handle: Handle];
  /** another connection serves the session; handles are as before */
  reconnected: [address: string];
  /** nothing was answered for a session time-out: handles do not count as held until `lease-restored` */
  "lease-lost": [];
  "lease-restored": [];
}

function infoOf(result: Result): HandleInfo {
  return {
    firmCode: result.firmCode,
    productCode: result.productCode,
    item: result.itemRef,
    container: `${result.mask}-${result.serial}`,
    quantity: result.quantity,
    free: result.free,
    total: result.total,
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

function waiting(options: WaitOptions, timeoutMs: number): CallOptions {
  return { timeoutMs: checkTimeout("timeoutMs", options.timeoutMs ?? timeoutMs), signal: options.signal };
}

const modes: Readonly<Record<AccessModeName, number>> = {
  "user-limit": AccessMode.userLimit,
  "no-user-limit": AccessMode.noUserLimit,
  "station-share": AccessMode.stationShare,
  exclusive: AccessMode.exclusive,
};

function modeOf(name: AccessModeName): number {
  const mode = modes[name];
  if (mode !== undefined) return mode;
  const known = Object.keys(modes).join(", ");
  throw new TmrError("ERR_TMR_ARGUMENT", `mode: expected one of ${known}, received ${JSON.stringify(name)}`);
}

/** A session with one TMR system, over whichever of its servers is active. */
export class Session {
  readonly events = new EventEmitter<SessionEvents>();
  readonly #driver: ClientDriver;
  readonly #timeoutMs: number;
  readonly #servers: readonly string[];
  readonly #handles = new Map<number, Handle>();

  /** Sessions come from `connect`. */
  constructor(driver: ClientDriver, servers: readonly string[], requestTimeoutMs: number) {
    this.#driver = driver;
    this.#servers = servers;
    this.#timeoutMs = requestTimeoutMs;
  }

  /** Checks a license out. Rejects with ERR_TMR_REFUSED whose `reason` says why and whose message says where it looked. */
  async access(options: AccessOptions): Promise<Handle> {
    const fields = { kind: Kind.access, ...checkAccess(options), mode: modeOf(options.mode ?? "user-limit") };
    const { result } = await this.#driver.call(fields, waiting(options, this.#timeoutMs));
    const handle = new Handle(this.#driver, result, this.#timeoutMs, (id) => this.#handles.delete(id));
    this.#handles.set(handle.id, handle);
    return handle;
  }

  /** All licenses of the virtual container. */
  async items(options: WaitOptions = {}): Promise<Item[]> {
    return (await this.#list(Kind.items, options)) as Item[];
  }

  async containers(options: WaitOptions = {}): Promise<Container[]> {
    return (await this.#list(Kind.containers, options)) as Container[];
  }

  /** Who holds what of the virtual container, and who waits. */
  async handles(options: WaitOptions = {}): Promise<HeldHandle[]> {
    return (await this.#list(Kind.handles, options)) as HeldHandle[];
  }

  /** What the TMR server that serves this session says about itself. */
  async serverStatus(options: WaitOptions = {}): Promise<ServerStatus> {
    return parseServerStatus((await this.#call({ kind: Kind.status }, options)).blob);
  }

  /** Gives back all handles and ends the session. Idempotent; never rejects. */
  close(): Promise<void> {
    return this.#driver.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Called by the driver: turns what the core says about the session into events. */
  notify(notice: SessionNotice): void {
    switch (notice.type) {
      case "handle-lost": {
        const handle = this.#handles.get(notice.handle);
        this.#handles.delete(notice.handle);
        if (handle !== undefined) this.events.emit("handle-lost", handle);
        return;
      }
      case "reconnected":
        this.events.emit("reconnected", this.#servers[notice.server] ?? "");
        return;
      default:
        this.events.emit(notice.type);
    }
  }

  /** Asks for the parts of a list until it is complete. The deadline is that of the whole. */
  async #list(kind: number, options: WaitOptions): Promise<unknown[]> {
    const deadlineMs = performance.now() + waiting(options, this.#timeoutMs).timeoutMs;
    const all: unknown[] = [];
    for (let cursor = 0; ; ) {
      const timeoutMs = Math.max(1, deadlineMs - performance.now());
      const { result, blob } = await this.#call({ kind, cursor }, { ...options, timeoutMs });
      const part = parseJson(blob);
      if (!Array.isArray(part)) throw new TmrError("ERR_TMR_PROTOCOL", "list: expected an array from the server");
      all.push(...(part as unknown[]));
      if (result.nextCursor <= cursor) return all;
      cursor = result.nextCursor;
    }
  }

  #call(fields: CallFields, options: WaitOptions): Promise<Answer> {
    return this.#driver.call(fields, waiting(options, this.#timeoutMs));
  }
}
