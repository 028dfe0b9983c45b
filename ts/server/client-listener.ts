/**
 * The client-facing server: accepts connections, shakes hands and gives their sockets to the engine, which passes bytes on
 * and writes answers by itself. Who is let in, who is there and who has to go is decided here.
 */
import { createServer, type Server, type Socket } from "node:net";
import { availableParallelism } from "node:os";
import type { ClosedConnection, Engine, Gateway, OrderingLimits, Sockets, SocketsOptions } from "../engine/types.js";
import { addressBytes } from "../transport/address.js";
import { HalfOpen } from "../transport/half-open.js";
import { handOver } from "../transport/hand-over.js";
import { respond } from "../transport/handshake.js";
import { listen } from "../transport/listen.js";
import { Turns } from "../transport/turns.js";
import { MAX_PACKET_BYTES } from "../wire/message.js";

export interface ClientListenerOptions {
  readonly engine: Engine;
  readonly gateway: Gateway;
  readonly sockets: Sockets;
  /** the static private key that both twins show to clients */
  readonly staticKey: Uint8Array;
  readonly maxClients: number;
  readonly handshakeTimeoutMs: number;
  /** A client is there: what it should hear first may be queued with `gateway.answer`. */
  joined(client: number): void;
}

export interface ClientListenerCounters {
  readonly accepted: number;
  readonly refusedHandshakes: number;
  readonly refusedFull: number;
  readonly notGenuine: number;
  /** clients closed because too many answers waited for them */
  readonly closedUnread: number;
  /** clients closed because they said nothing for too long */
  readonly closedIdle: number;
}

/** A client that leaves this much unread is not read itself; one that leaves it for so long is closed. */
const PAUSE_ABOVE_BYTES = 256 * 1024;
const UNREAD_TIMEOUT_MS = 10_000;
/**
 * Anybody may connect, and each takes one of `maxClients` places: one that has not asked for a session after so long, nor
 * said anything else, gives its place up. Programs open their session at once; a monitor connects for each question.
 */
const IDLE_TIMEOUT_MS = 60_000;
/** One connection of many clients may leave more waiting than others, but not fill the queue that all share. */
const PENDING_SHARE = 4;
const LEAST_PENDING_OF_CLIENT = 1024;

/** What one client may take up, given what all may. */
export function clientBounds(
  { maxPendingRequests }: Pick<OrderingLimits, "maxPendingRequests">,
  { maxTimeoutMs }: { readonly maxTimeoutMs: number },
): Omit<SocketsOptions, "maxUpstreamBytes" | "turn"> {
  return {
    pauseAboveBytes: PAUSE_ABOVE_BYTES,
    unreadTimeoutMs: UNREAD_TIMEOUT_MS,
    idleTimeoutMs: IDLE_TIMEOUT_MS,
    // After that no session lives that was not heard of.
    sessionIdleTimeoutMs: Math.max(maxTimeoutMs, IDLE_TIMEOUT_MS),
    maxPendingOfClient: Math.max(LEAST_PENDING_OF_CLIENT, Math.floor(maxPendingRequests / PENDING_SHARE)),
  };
}

/** A connection on which nothing was said for so long is asked whether it is still there. */
export const KEEP_ALIVE_MS = 10_000;
/** How long a client may take to close its side when the server closes. */
const LINGER_MS = 1_000;

export class ClientListener {
  readonly #options: ClientListenerOptions;
  readonly #server: Server;
  readonly #clients = new Set<number>();
  readonly #opening = new HalfOpen();
  readonly #counters = {
    accepted: 0,
    refusedHandshakes: 0,
    refusedFull: 0,
    notGenuine: 0,
    closedUnread: 0,
    closedIdle: 0,
  };
  // Half of the processors: the other half is for those that are being served.
  readonly #turns = new Turns(Math.max(1, Math.floor(availableParallelism() / 2)));
  #allGone: (() => void) | null = null;

  constructor(options: ClientListenerOptions) {
    this.#options = options;
    // A machine that lost its power says nothing, and nothing is written to an idle client.
    const sockets = { pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    this.#server = createServer(sockets, (socket) => void this.#accept(socket));
  }

  get clients(): number {
    return this.#clients.size;
  }

  get counters(): ClientListenerCounters {
    return this.#counters;
  }

  /** Throws ERR_TMR_LISTEN. Resolves to the address in use, with the port that port 0 became. */
  listen(address: string): Promise<string> {
    return listen(this.#server, address);
  }

  /** Closes every client after its answers have been written; new ones are still accepted. */
  dropClients(): void {
    this.#options.sockets.flush();
    for (const client of this.#clients) this.#options.sockets.endClient(client);
  }

  /** Stops accepting and closes every client after its answers have been written. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#opening.destroyAll();
    const gone = new Promise<void>((resolve) => {
      this.#allGone = resolve;
      if (this.#clients.size === 0) resolve();
    });
    this.dropClients();
    const force = setTimeout(() => {
      for (const client of this.#clients) {
        this.#options.sockets.dropClient(client);
        this.#forget(client);
      }
    }, LINGER_MS);
    await Promise.all([closed, gone]);
    clearTimeout(force);
  }

  /** Every client's number, for a notice to all. */
  *numbers(): Iterable<number> {
    yield* this.#clients;
  }

  async #accept(socket: Socket): Promise<void> {
    const full = this.#clients.size + this.#opening.size >= this.#options.maxClients;
    if (full && !this.#opening.dropOldest()) {
      this.#counters.refusedFull++;
      socket.destroy();
      return;
    }
    this.#opening.add(socket);
    const established = await respond(socket, this.#options.engine, {
      staticKey: this.#options.staticKey,
      purposeOf: () => "client",
      // A client without a key of its own is anonymous; an enrolled one is known by its key. Both may ask.
      admit: () => true,
      maxMessageBytes: () => MAX_PACKET_BYTES,
      timeoutMs: this.#options.handshakeTimeoutMs,
      turns: this.#turns,
    }).catch(() => null);
    this.#opening.delete(socket);
    if (established === null) {
      this.#counters.refusedHandshakes++;
      socket.destroy();
      return;
    }
    const client = this.#options.gateway.addClient(established.session);
    if (client < 0) {
      established.session.close();
      this.#counters.refusedFull++;
      socket.destroy();
      return;
    }
    this.#options.gateway.setClientAddress(client, addressBytes(socket.remoteAddress));
    const open = (descriptor: number, rest: Buffer) => this.#options.sockets.openClient(client, descriptor, rest);
    if (!handOver(socket, established.rest, open)) {
      this.#options.gateway.removeClient(client);
      this.#counters.refusedHandshakes++;
      return;
    }
    this.#counters.accepted++;
    this.#clients.add(client);
    this.#options.joined(client);
  }

  /** To be told of every connection of a client that the engine says is over. */
  closed({ client, why }: ClosedConnection): void {
    if (why === "not-genuine") this.#counters.notGenuine++;
    if (why === "unread") this.#counters.closedUnread++;
    if (why === "idle") this.#counters.closedIdle++;
    this.#forget(client);
  }

  #forget(client: number): void {
    this.#clients.delete(client);
    this.#options.gateway.removeClient(client);
    if (this.#clients.size === 0) this.#allGone?.();
  }
}
