/**
 * A network that can be hurt: each link of the system goes through a TCP proxy of this process. Bytes are never altered
 * or reordered within a connection, as with TCP itself; they can be late, held back in one direction, or never come.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";

/** `forward` is from who connects to who listens. */
export type Direction = "forward" | "backward";

/** What new connections meet. */
export type Admission = "open" | "refused" | "silent";

type Ending = "end" | "reset";

/** One direction of one connection: a queue of bytes and, last, of how it ended. */
class Flow {
  readonly #to: Socket;
  readonly #queue: { readonly dueMs: number; readonly what: Buffer | Ending }[] = [];
  #timer: NodeJS.Timeout | null = null;
  stalled = false;
  delayMs = 0;

  constructor(to: Socket) {
    this.#to = to;
  }

  push(what: Buffer | Ending): void {
    this.#queue.push({ dueMs: performance.now() + this.delayMs, what });
    this.flush();
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (let first = this.#queue[0]; first !== undefined && !this.stalled; first = this.#queue[0]) {
      const waitMs = first.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.flush(), Math.ceil(waitMs));
        return;
      }
      this.#queue.shift();
      if (first.what === "end") this.#to.end();
      else if (first.what === "reset") this.#to.resetAndDestroy();
      else if (!this.#to.destroyed) this.#to.write(first.what);
    }
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#queue.length = 0;
  }
}

/** A connection through a {@link Proxy}. */
export class ProxiedConnection {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #flows: Readonly<Record<Direction, Flow>>;

  constructor(near: Socket, far: Socket, ended: () => void) {
    this.#near = near;
    this.#far = far;
    this.#flows = { forward: new Flow(far), backward: new Flow(near) };
    this.#pump(near, this.#flows.forward);
    this.#pump(far, this.#flows.backward);
    let open = 2;
    for (const socket of [near, far]) {
      socket.on("close", () => {
        if (--open === 0) ended();
      });
    }
  }

  stall(direction: Direction, stalled: boolean): void {
    this.#flows[direction].stalled = stalled;
    if (!stalled) this.#flows[direction].flush();
  }

  delay(delayMs: number): void {
    for (const flow of Object.values(this.#flows)) flow.delayMs = delayMs;
  }

  /** Ends both sides at once: in order, or with a reset. */
  end(how: Ending): void {
    for (const flow of Object.values(this.#flows)) flow.close();
    for (const socket of [this.#near, this.#far]) {
      if (how === "reset") socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  #pump(from: Socket, flow: Flow): void {
    let failed = false;
    from.on("data", (bytes) => flow.push(bytes));
    from.on("error", () => {
      failed = true;
      flow.push("reset");
    });
    from.on("end", () => flow.push("end"));
    from.on("close", () => {
      if (!failed) flow.push("end");
    });
  }
}

/** One link: listens on a port of its own and passes everything on to `target`, a port of loopback. */
export class Proxy {
  readonly name: string;
  readonly #target: number;
  readonly #server: Server;
  readonly #connections = new Set<ProxiedConnection>();
  readonly #silent = new Set<Socket>();
  #admission: Admission = "open";
  #delayMs = 0;
  #stalled: Direction | null = null;

  constructor(name: string, target: number) {
    this.name = name;
    this.#target = target;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Resolves to the port. */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", () => {
        const address = this.#server.address();
        resolve(address !== null && typeof address === "object" ? address.port : 0);
      });
    });
  }

  get connections(): readonly ProxiedConnection[] {
    return [...this.#connections];
  }

  /** Ends every connection. */
  end(how: Ending): void {
    for (const connection of this.#connections) connection.end(how);
  }

  /** From now on, for new connections only. Those that met silence are ended when the link opens again. */
  admit(admission: Admission): void {
    this.#admission = admission;
    if (admission !== "open") return;
    for (const socket of this.#silent) socket.destroy();
    this.#silent.clear();
  }

  /** For present and new connections; null ends it: what was held back flows on. */
  stall(direction: Direction | null): void {
    for (const connection of this.#connections) {
      connection.stall("forward", direction === "forward");
      connection.stall("backward", direction === "backward");
    }
    this.#stalled = direction;
  }

  /** For present and new connections. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
    for (const connection of this.#connections) connection.delay(delayMs);
  }

  close(): void {
    this.#server.close();
    this.admit("open");
    this.end("end");
  }

  #accept(near: Socket): void {
    if (this.#admission === "silent") {
      near.on("error", () => near.destroy());
      near.on("close", () => this.#silent.delete(near));
      this.#silent.add(near);
      return;
    }
    if (this.#admission === "refused") {
      near.resetAndDestroy();
      return;
    }
    const far = createConnection({ host: "127.0.0.1", port: this.#target, noDelay: true, allowHalfOpen: true });
    const connection = new ProxiedConnection(near, far, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    connection.delay(this.#delayMs);
    if (this.#stalled !== null) connection.stall(this.#stalled, true);
  }
}
