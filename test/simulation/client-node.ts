/** A client of the simulation: the production client core, and a user who takes and gives back licenses. */
import { ClientCore } from "../../ts/client/core.js";
import type { Answer, CallFields, CoreAction, CoreEvent, Outcome } from "../../ts/client/types.js";
import { ed25519PublicKey } from "../../ts/config/key-files.js";
import type { Terms } from "../../ts/license/terms.js";
import { AccessMode, Kind, Status } from "../../ts/wire/kinds.js";
import type { Result } from "../../ts/wire/result.js";
import { returnSignature } from "./borrower.js";
import type { End, EndHandlers, Purpose } from "./network.js";
import { Process } from "./process.js";
import type { Random } from "./random.js";
import { counting, FIRM, lendable, MODULE, namesOf, products } from "./system.js";
import type { World } from "./world.js";

/** A handle that was granted, as its client knows it. */
export interface Held {
  readonly handle: number;
  readonly seats: number;
  /** item reference of the license: that of a module is its license's */
  readonly license: number;
  /** the quantity of that license when the handle was granted */
  readonly quantity: number;
}

/** What was borrowed: a file, so it outlives the process. */
interface Lent {
  readonly document: Buffer;
  readonly seed: Buffer;
}

const DEADLINE_MS = 20_000;

export class ClientNode extends Process {
  core!: ClientCore;
  readonly held = new Map<number, Held>();
  /** handles that wait for their seats */
  readonly waits = new Set<number>();
  readonly lent = new Map<number, Lent>();
  /** the keys that this user borrows with */
  readonly #seeds: readonly Buffer[];
  readonly #index: number;
  /** calls that were answered, whatever the answer */
  answered = 0;
  faults = 0;
  /** the user does nothing more; the session goes on */
  idle = false;
  #ending = false;
  readonly #random: Random;
  readonly #ends = new Map<number, End>();
  readonly #dialing = new Map<number, () => void>();
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #nextCall = 1;
  #timer = 0;

  constructor(world: World, index: number, random: Random) {
    super(world, `client${index}`);
    this.#random = random;
    this.#index = index;
    this.#seeds = [1, 2].map((number) => Buffer.alloc(32, 16 * index + number));
  }

  holds(held: Held): boolean {
    return this.up && this.core.holds(held.handle, this.nowMs);
  }

  protected started(): void {
    this.#waiting.clear();
    this.#ending = false;
    this.#newSession();
    if (!this.idle) for (let i = 0; i < this.world.plan.callsAtOnce; i++) this.#think();
  }

  #newSession(): void {
    const { plan } = this.world;
    this.#ends.clear();
    this.#dialing.clear();
    this.held.clear();
    this.waits.clear();
    this.#timer++;
    this.core = new ClientCore({
      servers: 2,
      names: { ...namesOf(this.#index), program: "program", runtimeVersion: "1.0.0" },
      sessionTimeoutMs: this.#random.pick(plan.clientTimeoutsMs),
      suspectMs: plan.clientSuspectMs,
      closeTimeoutMs: 3_000,
      random: () => this.#random.float(),
      randomBytes: (count) => this.#random.bytes(count),
      rules: this.world.rules,
    });
  }

  protected stopped(): void {
    this.held.clear();
  }

  accept(_end: End, _purpose: Purpose): EndHandlers | null {
    return null;
  }

  // ---- the user ------------------------------------------------------------------------------------------------------

  #think(): void {
    this.later(this.#random.around(this.world.plan.thinkMs), () => {
      if (this.idle) return;
      if (this.#random.chance(0.01)) {
        this.held.clear();
        this.waits.clear();
        this.#step({ type: "close" });
      }
      this.#act(() => this.#think());
    });
  }

  /** Does one thing, and goes on when it is answered. */
  #act(next: () => void): void {
    const random = this.#random;
    const dice = random.float();
    if (dice < 0.05) return this.#borrow(next);
    const [lent] = [...this.lent].slice(random.int(0, 2));
    if (dice < 0.08 && lent !== undefined) return this.#giveBack(...lent, next);
    this.ask(this.#wish(), next);
  }

  #wish(): CallFields {
    const random = this.#random;
    const handles = [...this.held.values()];
    const [oldest] = handles;
    const dice = random.float();
    if (oldest !== undefined && (dice < 0.3 || handles.length > 4)) {
      return { kind: Kind.release, handle: random.pick(handles).handle };
    }
    if (oldest !== undefined && dice < 0.35) return { kind: Kind.info, handle: random.pick(handles).handle };
    if (oldest !== undefined && dice < 0.4) {
      const counted = handles.filter(({ license }) => counting.has(license));
      const { handle } = random.pick(counted.length > 0 ? counted : handles);
      return { kind: Kind.consume, handle, quantity: 1 + (oldest.handle % 3) };
    }
    if (dice < 0.43) return { kind: Kind.items };
    if (dice < 0.46) return { kind: Kind.containers };
    if (dice < 0.48) return { kind: Kind.handles };
    return this.#access();
  }

  #access(): CallFields {
    const random = this.#random;
    const { terms } = random.chance(0.5) ? random.pick(products.slice(0, 4)) : random.pick(products);
    const mode = random.chance(0.6)
      ? AccessMode.userLimit
      : random.pick([AccessMode.noUserLimit, AccessMode.stationShare, AccessMode.exclusive]);
    const isOne = mode === AccessMode.stationShare || mode === AccessMode.exclusive || random.chance(0.85);
    return {
      kind: Kind.access,
      mode,
      quantity: isOne ? 1 : random.int(1, terms.quantity + 2),
      firmCode: FIRM,
      productCode: productOf(terms, random),
      featureMap: random.chance(0.2) ? random.int(0, 16) & (terms.modules === undefined ? terms.featureMap : 3) : 0,
      durationMs: random.chance(0.4) ? random.int(200, 9_000) : 0,
    };
  }

  /** With one of two keys: it may be in use, and then it gets what it has, or is refused. */
  #borrow(next: () => void): void {
    const random = this.#random;
    const { terms } = random.chance(0.9) ? random.pick(lendable) : random.pick(products);
    const seed = random.pick(this.#seeds);
    const longestMs = 1_000 * (terms.borrowSeconds ?? 1);
    const fields: CallFields = {
      kind: Kind.borrow,
      mode: AccessMode.userLimit,
      quantity: random.chance(0.9) ? 1 : 2,
      firmCode: FIRM,
      productCode: productOf(terms, random),
      durationMs: random.chance(0.3) ? 0 : random.int(1, Math.floor(1.1 * longestMs)),
      blob: ed25519PublicKey(seed),
    };
    this.ask(fields, (outcome) => {
      if ("answer" in outcome) {
        const { result, blob } = outcome.answer;
        this.lent.set(result.handle, { document: Buffer.from(blob), seed });
      }
      next();
    });
  }

  #giveBack(handle: number, { document, seed }: Lent, next: () => void): void {
    // Whoever finds the file without its key cannot give it back.
    const signer = this.#random.chance(0.1) ? Buffer.alloc(32, 255) : seed;
    this.ask({ kind: Kind.returnBorrow, handle, blob: returnSignature(document, signer) }, (outcome) => {
      if ("answer" in outcome || outcome.fault.code === "ERR_TMR_REFUSED") this.lent.delete(handle);
      next();
    });
  }

  /** Asks again and again how the handle stands, as the library does, or leaves the queue. */
  #await(handle: number): void {
    this.later(50 + this.#random.around(400), () => {
      if (this.idle || !this.waits.has(handle)) return;
      if (this.#random.chance(0.1)) {
        this.ask({ kind: Kind.release, handle });
        return;
      }
      this.ask({ kind: Kind.info, handle }, (outcome) => {
        if (!this.waits.has(handle)) return;
        if ("answer" in outcome && outcome.answer.result.status === Status.ok) {
          this.waits.delete(handle);
          this.#hold(outcome.answer.result);
        } else if ("fault" in outcome && outcome.fault.code === "ERR_TMR_REFUSED") {
          this.waits.delete(handle);
          // Some forget a handle that was lost, and some say that they know.
          if (this.#random.chance(0.5)) this.ask({ kind: Kind.release, handle });
        } else {
          this.#await(handle);
        }
      });
    });
  }

  /** Asks, and goes on with what came of it. */
  ask(fields: CallFields, done: (outcome: Outcome) => void = () => {}): void {
    const id = this.#nextCall++;
    if (fields.kind === Kind.release) {
      this.held.delete(fields.handle ?? 0);
      this.waits.delete(fields.handle ?? 0);
    }
    this.#waiting.set(id, done);
    this.#step({ type: "call", call: { id, fields, deadlineMs: this.nowMs + DEADLINE_MS } });
    this.#step({ type: "tick" });
  }

  /** Ends the session for good. */
  close(): void {
    this.receive(() => {
      this.#ending = true;
      this.held.clear();
      this.waits.clear();
      this.#step({ type: "close" });
    });
  }

  // ---- the core's actions --------------------------------------------------------------------------------------------

  #step(event: CoreEvent): void {
    for (const action of this.core.step(event, this.nowMs)) this.#perform(action);
  }

  #perform(action: CoreAction): void {
    switch (action.type) {
      case "connect":
        return this.#connect(action.link, action.server);
      case "disconnect": {
        this.#dialing.get(action.link)?.();
        this.#dialing.delete(action.link);
        const end = this.#ends.get(action.link);
        this.#ends.delete(action.link);
        end?.close();
        return;
      }
      case "send":
        this.world.observer.requested(action.message);
        this.#ends.get(action.link)?.send(action.message);
        return;
      case "settle":
        return this.#settle(action.id, action.outcome);
      case "notice":
        if (action.notice.type === "handle-lost") this.held.delete(action.notice.handle);
        this.world.observer.noticed(this, action.notice);
        return;
      case "timer":
        return this.#setTimer(action.atMs);
      case "closed":
        if (!this.#ending) this.#newSession();
        return;
      default:
        action satisfies never;
    }
  }

  #settle(id: number, outcome: Outcome): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    if ("answer" in outcome) {
      this.answered++;
      this.#granted(outcome.answer);
    } else {
      if (outcome.fault.code === "ERR_TMR_REFUSED") this.answered++;
      else this.faults++;
    }
    done?.(outcome);
  }

  #granted({ result }: Answer): void {
    if (result.kind !== Kind.access) return;
    if (result.status === Status.ok) {
      this.#hold(result);
    } else {
      this.waits.add(result.handle);
      this.#await(result.handle);
    }
  }

  #hold(result: Result): void {
    this.held.set(result.handle, {
      handle: result.handle,
      seats: result.quantity,
      license: result.itemRef,
      quantity: result.total,
    });
  }

  #connect(link: number, server: number): void {
    const giveUp = this.world.network.dial(this, `tmr${server}`, "client", {
      opened: (end) => {
        this.#dialing.delete(link);
        this.#ends.set(link, end);
        this.#step({ type: "connected", link });
      },
      failed: (why) => {
        this.#dialing.delete(link);
        this.#step({ type: "disconnected", link, why });
      },
      closed: (why) => {
        this.#ends.delete(link);
        this.#step({ type: "disconnected", link, why });
      },
      message: (bytes) => {
        if (!this.#ends.has(link)) return;
        this.world.observer.answered(this, bytes);
        this.#step({ type: "message", link, message: bytes });
        this.world.observer.believed();
      },
    });
    this.#dialing.set(link, giveUp);
  }

  #setTimer(atMs: number | null): void {
    const timer = ++this.#timer;
    if (atMs === null) return;
    // A time that rounding puts before its hour would be waited for again and again without a step of the world's clock.
    const leastMs = atMs > this.nowMs ? 0.001 : 0;
    this.later(Math.max(leastMs, this.worldTimeOf(atMs) - this.world.nowMs), () => {
      if (this.#timer === timer) this.#step({ type: "tick" });
    });
  }
}

/** Half of those who want a license with a module want the module. */
function productOf({ productCode, modules }: Terms, random: Random): number {
  return modules !== undefined && random.chance(0.5) ? MODULE : productCode;
}
