/**
 * One client of the network tests, with the real client library. A *holder* keeps one license and asks about it again and
 * again; an *asker* is a program that starts: it opens a session, takes a license, gives both back, and begins anew.
 */
import { openSession, resolveSystem } from "../../ts/client/connect.js";
import { socketDialer } from "../../ts/client/dialer.js";
import type { Handle } from "../../ts/client/handle.js";
import type { Session } from "../../ts/client/session.js";
import { loadEngine } from "../../ts/engine/index.js";
import { clock, Recorder } from "../chaos/recorder.js";
import { AnswerTap } from "../chaos/tap.js";

/** What a client is started with, as JSON in its first argument. */
export interface NetworkClientTask {
  readonly process: string;
  readonly role: "holder" | "asker";
  readonly system: string;
  readonly history: string;
  /** start of the run on the monotonic clock, decimal */
  readonly startNs: string;
  readonly firmCode: number;
  readonly productCode: number;
}

const PAUSE_MS = 4;
const nothing = { license: null, arguments: {} } as const;

export class NetworkClient {
  readonly #task: NetworkClientTask;
  readonly #license: string;
  readonly #tap = new AnswerTap();
  readonly #recorder: Recorder;

  constructor(task: NetworkClientTask) {
    this.#task = task;
    this.#license = `${task.firmCode}:${task.productCode}`;
    this.#recorder = new Recorder(task.process, task.history, clock(BigInt(task.startNs)), this.#tap);
  }

  async run(stopped: () => boolean): Promise<void> {
    if (this.#task.role === "holder") return this.#hold(stopped);
    while (!stopped()) {
      await this.#askOnce();
      await pause();
    }
  }

  async #hold(stopped: () => boolean): Promise<void> {
    const session = await this.#open();
    const handle = session === null ? null : await this.#access(session);
    if (session === null || handle === null) return;
    while (!stopped()) {
      await this.#recorder.run(
        "info",
        this.#about(handle),
        () => handle.info(),
        ({ free, total }) => ({ free, total }),
      );
      await pause();
    }
    await this.#giveBack(session, handle);
  }

  async #askOnce(): Promise<void> {
    const session = await this.#open();
    if (session === null) return;
    const handle = await this.#access(session);
    await this.#giveBack(session, handle);
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
    session?.events.on("reconnected", (address) => this.#recorder.event("reconnected", { detail: address }));
    session?.events.on("lease-lost", () => this.#recorder.event("lease-lost"));
    session?.events.on("lease-restored", () => this.#recorder.event("lease-restored"));
    session?.events.on("handle-lost", ({ id }) => this.#recorder.event("handle-lost", { handle: id }));
    return session;
  }

  #access(session: Session): Promise<Handle | null> {
    const { firmCode, productCode } = this.#task;
    return this.#recorder.run(
      "access",
      { license: this.#license, arguments: { quantity: 1 } },
      () => session.access({ firmCode, productCode }),
      ({ id, free, total }) => ({ handle: id, free, total }),
    );
  }

  async #giveBack(session: Session, handle: Handle | null): Promise<void> {
    if (handle !== null) {
      await this.#recorder.run(
        "release",
        this.#about(handle),
        () => handle.release(),
        () => ({}),
      );
    }
    await this.#recorder.run(
      "close",
      nothing,
      () => session.close(),
      () => ({}),
    );
  }

  #about({ id }: Handle) {
    return { license: this.#license, arguments: { handle: id } };
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
