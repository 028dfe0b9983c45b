/**
 * One client process of a chaos run: a session of the real client library, and a loop of accesses, releases and
 * questions, one after the other, each recorded. It ends when its standard input does: everything is released then.
 */

import { openSession, resolveSystem } from "../../ts/client/connect.js";
import { socketDialer } from "../../ts/client/dialer.js";
import type { Handle } from "../../ts/client/handle.js";
import type { Session } from "../../ts/client/session.js";
import { loadEngine } from "../../ts/engine/index.js";
import { Random } from "../simulation/random.js";
import type { LicenseName } from "./history.js";
import { clock, Recorder } from "./recorder.js";
import { AnswerTap } from "./tap.js";

/** What a client is started with, as JSON in its first argument. */
export interface ClientTask {
  readonly process: string;
  readonly system: string;
  readonly history: string;
  readonly seed: number;
  /** start of the run on the monotonic clock, decimal */
  readonly startNs: string;
  readonly licenses: readonly {
    readonly firmCode: number;
    readonly productCode: number;
    /** most seats of one access */
    readonly most: number;
    /** how long a handle is kept, on average */
    readonly holdMs: number;
  }[];
}

interface Held {
  readonly handle: Handle;
  readonly license: LicenseName;
  readonly untilMs: number;
}

const MAX_HELD = 3;
const MAX_PAUSE_MS = 40;

/** The loop of one client. */
export class ChaosClient {
  readonly #task: ClientTask;
  readonly #random: Random;
  readonly #tap = new AnswerTap();
  readonly #recorder: Recorder;
  #held: Held[] = [];
  #latestReleased: Held | null = null;

  constructor(task: ClientTask) {
    this.#task = task;
    this.#random = new Random(task.seed, task.process);
    this.#recorder = new Recorder(task.process, task.history, clock(BigInt(task.startNs)), this.#tap);
  }

  async run(stopped: () => boolean): Promise<void> {
    const session = await this.#open();
    if (session === null) return;
    while (!stopped()) {
      await this.#step(session);
      if (!stopped()) await new Promise((resolve) => setTimeout(resolve, this.#random.between(0, MAX_PAUSE_MS)));
    }
    for (const held of [...this.#held]) await this.#release(held);
    await this.#recorder.run(
      "close",
      nothing,
      () => session.close(),
      () => ({}),
    );
  }

  async #open(): Promise<Session | null> {
    const { servers, serverKey } = resolveSystem({ system: this.#task.system });
    const dial = this.#tap.wrap(socketDialer(loadEngine(), servers, serverKey));
    const options = { program: this.#task.process };
    const session = await this.#recorder.run(
      "open",
      nothing,
      () => openSession(options, servers, dial),
      () => ({}),
    );
    for (const event of ["lease-lost", "lease-restored"] as const) {
      session?.events.on(event, () => this.#recorder.event(event));
    }
    session?.events.on("reconnected", (address) => this.#recorder.event("reconnected", { detail: address }));
    session?.events.on("handle-lost", (handle) => {
      this.#recorder.event("handle-lost", { handle: handle.id });
      this.#held = this.#held.filter((held) => held.handle !== handle);
    });
    return session;
  }

  async #step(session: Session): Promise<void> {
    const due = this.#held.find(({ untilMs }) => untilMs <= performance.now());
    if (due !== undefined) return this.#release(due);
    const choice = this.#random.float();
    if (choice < 0.15) return this.#items(session);
    if (choice < 0.3 && this.#held.length > 0) return this.#info(this.#random.pick(this.#held));
    if (choice < 0.35 && this.#latestReleased !== null) return this.#info(this.#latestReleased);
    if (this.#held.length < MAX_HELD) return this.#access(session);
  }

  async #access(session: Session): Promise<void> {
    const { firmCode, productCode, most, holdMs } = this.#random.pick(this.#task.licenses);
    const quantity = this.#random.int(1, most + 1);
    const license = `${firmCode}:${productCode}`;
    const untilMs = performance.now() + this.#random.around(holdMs);
    const handle = await this.#recorder.run(
      "access",
      { license, arguments: { quantity } },
      () => session.access({ firmCode, productCode, quantity }),
      ({ id, free, total }) => ({ handle: id, free, total }),
    );
    if (handle !== null) this.#held.push({ handle, license, untilMs });
  }

  async #release(held: Held): Promise<void> {
    this.#held = this.#held.filter((other) => other !== held);
    this.#latestReleased = held;
    await this.#recorder.run(
      "release",
      aboutHandle(held),
      () => held.handle.release(),
      () => ({}),
    );
  }

  async #info(held: Held): Promise<void> {
    await this.#recorder.run(
      "info",
      aboutHandle(held),
      () => held.handle.info(),
      ({ free, total }) => ({ free, total }),
    );
  }

  async #items(session: Session): Promise<void> {
    await this.#recorder.run(
      "items",
      nothing,
      () => session.items(),
      (items) => ({
        items: items.map(({ firmCode, productCode, used, quantity }) => ({
          license: `${firmCode}:${productCode}`,
          used,
          quantity,
        })),
      }),
    );
  }
}

const nothing = { license: null, arguments: {} } as const;

function aboutHandle({ handle, license }: Held) {
  return { license, arguments: { handle: handle.id } };
}
