/** A client that works while servers are replaced under it: every call that is not answered as it should be is an error. */
import type { ConnectOptions } from "../../ts/client/connect.js";
import type { Handle } from "../../ts/client/handle.js";
import type { Session } from "../../ts/client/session.js";

type Connect = (options: ConnectOptions) => Promise<Session>;
type Product = { readonly firmCode: number; readonly productCode: number };

const PAUSE_MS = 2;

export class WorkingClient {
  readonly name: string;
  readonly errors: string[] = [];
  calls = 0;
  /** longest time of one call, since it was read last */
  #longestMs = 0;
  readonly #session: Session;
  readonly #kept: Handle;
  readonly #product: Product;
  #working = true;
  readonly #done: Promise<void>;

  private constructor(name: string, session: Session, kept: Handle, product: Product) {
    this.name = name;
    this.#session = session;
    this.#kept = kept;
    this.#product = product;
    session.events.on("lease-lost", () => this.errors.push("lease-lost"));
    session.events.on("handle-lost", () => this.errors.push("handle-lost"));
    this.#done = this.#work();
  }

  /** Opens a session by this release's `connect` and takes a seat of `kept` that it holds to its end. */
  static async start(name: string, connect: Connect, options: ConnectOptions, kept: Product, taken: Product) {
    const session = await connect(options);
    return new WorkingClient(name, session, await session.access(kept), taken);
  }

  takeLongestMs(): number {
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }

  /** Ends the loop, gives the kept handle back and closes the session. */
  async stop(): Promise<void> {
    this.#working = false;
    await this.#done;
    await this.#call("the kept handle", () => this.#kept.info());
    await this.#call("release of the kept handle", () => this.#kept.release());
    await this.#call("close", () => this.#session.close());
  }

  async #work(): Promise<void> {
    while (this.#working) {
      const handle = await this.#call("access", () => this.#session.access(this.#product));
      if (handle !== undefined) await this.#call("release", () => handle.release());
      await this.#call("info", () => this.#kept.info());
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #call<T>(what: string, call: () => Promise<T>): Promise<T | undefined> {
    const startMs = performance.now();
    try {
      return await call();
    } catch (error) {
      this.errors.push(`${what}: ${String(error)}`);
      return undefined;
    } finally {
      this.calls++;
      this.#longestMs = Math.max(this.#longestMs, performance.now() - startMs);
    }
  }
}
