/** A client of the simulation: the production client core, and a user who takes and gives back licenses. */
import { ClientCore } from "../../ts/client/core.js";
import type { Answer, CallFields, CoreAction, CoreEvent, Outcome } from "../../ts/client/types.js";
import { AccessMode, Kind } from "../../ts/wire/kinds.js";
import type { End, EndHandlers, Purpose } from "./network.js";
import { Process } from "./process.js";
import type { Random } from "./random.js";
import { FIRM, products } from "./system.js";
import type { World } from "./world.js";

/** A handle that was granted, as its client knows it. */
export interface Held {
  readonly handle: number;
  readonly seats: number;
  /** the license, as `product:item` */
  readonly license: string;
  /** the quantity of that license when the handle was granted */
  readonly quantity: number;
}

const DEADLINE_MS = 20_000;

export class ClientNode extends Process {
  core!: ClientCore;
  readonly held = new Map<number, Held>();
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
    this.#timer++;
    this.core = new ClientCore({
      servers: 2,
      names: { host: this.name, user: "user", station: this.name, program: "program", runtimeVersion: "1.0.0" },
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
        this.#step({ type: "close" });
      }
      this.ask(this.#wish(), () => this.#think());
    });
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
      return { kind: Kind.consume, handle: random.pick(handles).handle, quantity: 1 + (oldest.handle % 3) };
    }
    if (dice < 0.43) return { kind: Kind.items };
    if (dice < 0.48) return { kind: Kind.containers };
    const { terms } = random.chance(0.7) ? random.pick(products.slice(0, 4)) : random.pick(products);
    return {
      kind: Kind.access,
      mode: random.chance(0.1) ? AccessMode.noUserLimit : AccessMode.userLimit,
      quantity: random.chance(0.85) ? 1 : random.int(1, terms.quantity + 2),
      firmCode: FIRM,
      productCode: terms.productCode,
      featureMap: random.chance(0.2) ? random.int(0, 16) & terms.featureMap : 0,
    };
  }

  /** Asks, and goes on with what came of it. */
  ask(fields: CallFields, done: (outcome: Outcome) => void = () => {}): void {
    const id = this.#nextCall++;
    if (fields.kind === Kind.release) this.held.delete(fields.handle ?? 0);
    this.#waiting.set(id, done);
    this.#step({ type: "call", call: { id, fields, deadlineMs: this.nowMs + DEADLINE_MS } });
    this.#step({ type: "tick" });
  }

  /** Ends the session for good. */
  close(): void {
    this.receive(() => {
      this.#ending = true;
      this.held.clear();
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
    this.held.set(result.handle, {
      handle: result.handle,
      seats: result.quantity,
      license: `${result.productCode}:${result.itemRef}`,
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
