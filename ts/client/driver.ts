/** Runs the client's core on real connections and one timer. Decides nothing: it carries out actions. */
import type { ClientCore } from "./core.js";
import type { Dialer, ServerLink } from "./dialer.js";
import { faultError } from "./errors.js";
import type { Answer, CallFields, CoreAction, CoreEvent, SessionNotice } from "./types.js";

/** The longest time that setTimeout takes; the core is asked again then. */
const MAX_TIMER_MS = 0x7fff_ffff;

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

export class ClientDriver {
  readonly #core: ClientCore;
  readonly #dial: Dialer;
  readonly #notify: (notice: SessionNotice) => void;
  readonly #links = new Map<number, ServerLink>();
  readonly #dialing = new Map<number, AbortController>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #events: CoreEvent[] = [];
  readonly #closed: Promise<void>;
  #finish: () => void = () => {};
  #stepping = false;
  #tickQueued = false;
  #closing = false;
  #nextCall = 1;
  #timer: NodeJS.Timeout | null = null;
  #timerHolds = true;

  constructor(core: ClientCore, dial: Dialer, notify: (notice: SessionNotice) => void) {
    this.#core = core;
    this.#dial = dial;
    this.#notify = notify;
    this.#closed = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  /** Monotonic milliseconds: the clock of all deadlines. */
  static nowMs(): number {
    return performance.now();
  }

  holds(handle: number): boolean {
    return this.#core.holds(handle, ClientDriver.nowMs());
  }

  /** Resolves to the carried answer; rejects with the refusal, the deadline's error, or the signal's reason. */
  call(fields: CallFields, options: CallOptions): Promise<Answer> {
    const { signal } = options;
    if (signal?.aborted === true) return Promise.reject(reasonOf(signal));
    const id = this.#nextCall++;
    return new Promise<Answer>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(id);
        reject(reasonOf(signal));
        this.#take({ type: "abandon", id });
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const done = (): void => signal?.removeEventListener("abort", onAbort);
      this.#waiting.set(id, {
        resolve: (answer) => {
          done();
          resolve(answer);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      this.#take({ type: "call", call: { id, fields, deadlineMs: ClientDriver.nowMs() + options.timeoutMs } });
      this.#queueTick();
    });
  }

  /** Gives the session up; resolves when the server confirmed it or the time for that is over. Idempotent. */
  close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#take({ type: "close" });
    }
    return this.#closed;
  }

  /** Calls of one turn go out together. */
  #queueTick(): void {
    if (this.#tickQueued) return;
    this.#tickQueued = true;
    queueMicrotask(() => {
      this.#tickQueued = false;
      this.#take({ type: "tick" });
    });
  }

  /** Carrying out an action may bring the next event at once: events are taken one after the other. */
  #take(event: CoreEvent): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const action of this.#core.step(next, ClientDriver.nowMs())) this.#perform(action);
      }
    } finally {
      this.#stepping = false;
    }
    if (this.#alive !== this.#timerHolds) this.#holdTimer();
  }

  #perform(action: CoreAction): void {
    switch (action.type) {
      case "connect":
        void this.#connect(action.link, action.server);
        return;
      case "disconnect": {
        this.#dialing.get(action.link)?.abort();
        this.#dialing.delete(action.link);
        const link = this.#links.get(action.link);
        this.#links.delete(action.link);
        link?.close();
        return;
      }
      case "send":
        this.#links.get(action.link)?.send(action.message);
        return;
      case "settle": {
        const waiting = this.#waiting.get(action.id);
        this.#waiting.delete(action.id);
        if ("answer" in action.outcome) waiting?.resolve(action.outcome.answer);
        else waiting?.reject(faultError(action.outcome.fault));
        return;
      }
      case "notice":
        // In a turn of its own: what a listener throws must not stop the carrying out of actions.
        queueMicrotask(() => this.#notify(action.notice));
        return;
      case "timer":
        this.#setTimer(action.atMs);
        return;
      case "closed":
        this.#finish();
        return;
      default:
        action satisfies never;
    }
  }

  async #connect(id: number, server: number): Promise<void> {
    const dialing = new AbortController();
    this.#dialing.set(id, dialing);
    const early: CoreEvent[] = [];
    let open = false;
    const take = (event: CoreEvent): void => {
      if (open) this.#take(event);
      else early.push(event);
    };
    const dialed = await this.#dial(
      server,
      {
        message: (message) => take({ type: "message", link: id, message }),
        closed: (why) => {
          this.#links.delete(id);
          take({ type: "disconnected", link: id, why });
        },
      },
      dialing.signal,
    ).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    const givenUp = !this.#dialing.delete(id);
    if (typeof dialed === "string") {
      this.#take({ type: "disconnected", link: id, why: dialed });
    } else if (givenUp) {
      dialed.close();
    } else {
      this.#links.set(id, dialed);
      this.#take({ type: "connected", link: id });
      open = true;
      for (const event of early) this.#take(event);
    }
  }

  #setTimer(atMs: number | null): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (atMs === null) return;
    const delay = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(atMs - ClientDriver.nowMs())));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#take({ type: "tick" });
    }, delay);
    this.#holdTimer();
  }

  /**
   * Only a caller that waits keeps the process alive; a session that is merely held does not. Sockets never do: while
   * somebody waits there is always a timer.
   */
  get #alive(): boolean {
    return this.#waiting.size > 0 || (this.#closing && !this.#core.closed);
  }

  #holdTimer(): void {
    this.#timerHolds = this.#alive;
    if (this.#timerHolds) this.#timer?.ref();
    else this.#timer?.unref();
  }
}

/** Why a signal was aborted, as an error: nothing else is ever thrown. */
export function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new DOMException(String(reason), "AbortError");
}
