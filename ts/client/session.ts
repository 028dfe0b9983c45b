/** What a program holds first: a session with the TMR system, by which it checks licenses out. */
import { EventEmitter } from "node:events";
import type { BorrowedLicense } from "../borrow/verify.js";
import { TmrError } from "../errors.js";
import { AccessMode, Kind } from "../wire/kinds.js";
import type { ServerStatus } from "../wire/server-status.js";
import { checkAccess } from "./arguments.js";
import type { BorrowOptions } from "./borrow.js";
import type { ClientDriver } from "./driver.js";
import { Handle, type WaitOptions, waiting } from "./handle.js";
import { afterQueue } from "./queue-wait.js";
import { parseJson, parseServerStatus } from "./server-status.js";
import type { Answer, CallFields, SessionNotice } from "./types.js";

export type AccessModeName = "user-limit" | "no-user-limit" | "station-share" | "exclusive";

export interface AccessOptions extends WaitOptions {
  readonly firmCode: number;
  readonly productCode: number;
  /** seats, default 1 */
  readonly quantity?: number;
  /** bits that the license must have */
  readonly featureMap?: number;
  /** one item of several with the same codes; default: the first that fits */
  readonly itemRef?: number;
  /** when this program was released: a license with a maintenance period wants to know */
  readonly releaseDate?: Date;
  /** how long to wait in the queue when no seat is free, besides `timeoutMs`; default 0: not at all */
  readonly waitMs?: number;
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
  readonly localOnly?: true;
  /** units that were granted so far; 0xFFFFFFFF: they are counted, not limited */
  readonly unitCounter?: number;
  readonly unitsUsed?: number;
  readonly usagePeriodSeconds?: number;
  /** ms since 1970: first access under the usage period */
  readonly firstUseMs?: number;
  /** ms since 1970 */
  readonly maintenanceFromMs?: number;
  /** ms since 1970 */
  readonly maintenanceUntilMs?: number;
  readonly lingerSeconds?: number;
  readonly minimumRuntimeVersion?: string;
  /** who it is bound to now; empty: whoever comes first */
  readonly namedUser?: string;
  readonly namedUserIntervalSeconds?: number;
  readonly userData?: true;
  readonly protectedData?: true;
  /** the pieces that there are, by their indexes; so of hidden and secret data */
  readonly extendedProtectedData?: readonly number[];
  readonly hiddenData?: readonly number[];
  readonly secretData?: readonly number[];
  readonly borrowSeconds?: number;
  readonly borrowRevocable?: true;
  readonly modules?: readonly { readonly productCode: number; readonly text: string; readonly featureMap: number }[];
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
  /** `mask-serial`, from a server of several containers */
  readonly container?: string;
  /** ms since 1970: the end of a borrowing */
  readonly untilMs?: number;
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
    const { signal, timeoutMs } = waiting(options, this.#timeoutMs);
    const first = await this.#driver.call(fields, { timeoutMs, signal });
    const result = await afterQueue(this.#driver, first.result, fields.durationMs + timeoutMs, { timeoutMs, signal });
    const handle = new Handle(this.#driver, result, this.#timeoutMs, (id) => this.#handles.delete(id));
    this.#handles.set(handle.id, handle);
    return handle;
  }

  /**
   * Takes a license offline for a bounded time, into a file that `verifyBorrow` verifies without a server. Interrupted, it
   * is finished by calling it again with the same file.
   */
  async borrow(options: BorrowOptions): Promise<BorrowedLicense> {
    // With the libraries that read what a firm signed, which most programs never need.
    const { borrowInto } = await import("./borrow.js");
    return borrowInto((fields) => this.#call(fields, options), options);
  }

  /** Gives a borrowed license back before its time and removes its files; any session may. */
  async returnBorrow(file: string, options: WaitOptions & { readonly key?: Uint8Array } = {}): Promise<void> {
    const { returnFrom } = await import("./borrow.js");
    return returnFrom((fields) => this.#call(fields, options), file, options.key);
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
