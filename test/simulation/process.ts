/** A process of the simulation: it is up or not, may be frozen, may be busy with its disk, and has a clock of its own. */
import { TmrError } from "../../ts/errors.js";
import type { End, EndHandlers, NetworkNode, NodeName, Purpose } from "./network.js";
import type { World } from "./world.js";

export abstract class Process implements NetworkNode {
  up = false;
  /** Counts starts: what was planned in an earlier life is void. */
  life = 0;
  frozen = false;
  readonly #backlog: (() => void)[] = [];
  #busyUntilMs = 0;
  readonly #rate: number;
  readonly #offsetMs: number;

  constructor(
    readonly world: World,
    readonly name: NodeName,
  ) {
    const drawn = 1 + world.clockRandom.between(-1, 1) * world.plan.clockRateError;
    this.#rate = world.plan.rates?.[name] ?? drawn;
    this.#offsetMs = Math.floor(world.clockRandom.between(1_000, 1_000_000));
    world.network.register(this);
  }

  /** Own monotonic clock, ms. */
  get nowMs(): number {
    return this.#offsetMs + this.world.nowMs * this.#rate;
  }

  /** When the own clock shows `localMs`, in time of the simulation. */
  worldTimeOf(localMs: number): number {
    return (localMs - this.#offsetMs) / this.#rate;
  }

  start(): void {
    if (this.up) return;
    this.up = true;
    this.life++;
    this.frozen = false;
    this.#busyUntilMs = 0;
    this.#backlog.length = 0;
    this.world.say(`${this.name} starts`);
    this.#run(() => this.started());
  }

  /** kill -9, or power lost. */
  crash(silently = false): void {
    if (!this.up) return;
    this.up = false;
    this.#backlog.length = 0;
    this.world.say(`${this.name} crashes`);
    this.world.network.gone(this, silently);
    this.stopped();
  }

  freeze(): void {
    if (this.up) this.frozen = true;
  }

  thaw(): void {
    if (!this.frozen) return;
    this.frozen = false;
    this.#drain();
  }

  receive(run: () => void): void {
    if (!this.up) return;
    if (this.frozen || this.#backlog.length > 0 || this.#busyUntilMs > this.world.nowMs) {
      this.#backlog.push(run);
      if (this.#backlog.length === 1 && !this.frozen) this.#drainLater();
      return;
    }
    this.#run(run);
  }

  /** Until then the process does nothing: it waits for its disk. */
  busyFor(ms: number): void {
    this.#busyUntilMs = Math.max(this.#busyUntilMs, this.world.nowMs) + ms;
  }

  get busyUntilMs(): number {
    return Math.max(this.#busyUntilMs, this.world.nowMs);
  }

  /** A timer of this life; a frozen process runs it when it thaws. */
  later(ms: number, run: () => void): void {
    const { life } = this;
    this.world.timeline.after(ms, () => {
      if (this.life === life) this.receive(run);
    });
  }

  #drainLater(): void {
    const { life } = this;
    this.world.timeline.at(this.#busyUntilMs, () => {
      if (this.life === life && !this.frozen) this.#drain();
    });
  }

  #drain(): void {
    while (this.up && !this.frozen && this.#backlog.length > 0) {
      if (this.#busyUntilMs > this.world.nowMs) {
        this.#drainLater();
        return;
      }
      const [next] = this.#backlog.splice(0, 1);
      if (next !== undefined) this.#run(next);
    }
  }

  /** A failed durable write ends the process, as it does in production. */
  #run(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof TmrError) || error.code !== "ERR_TMR_STORE_WRITE") throw error;
      this.crash();
    }
  }

  abstract accept(end: End, purpose: Purpose): EndHandlers | null;
  protected abstract started(): void;
  protected abstract stopped(): void;
}
