/**
 * The client-facing server: accepts connections, hands their bytes to the engine and writes what it answers, once per
 * socket and turn. A client that does not read its answers is not read from either; one that leaves too much unread, or
 * leaves it for too long, is closed.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Engine, Gateway } from "../engine/types.js";
import { Intake } from "../engine/types.js";
import { addressBytes } from "../transport/address.js";
import { HalfOpen } from "../transport/half-open.js";
import { respond } from "../transport/handshake.js";
import { listen } from "../transport/listen.js";
import { MAX_PACKET_BYTES } from "../wire/message.js";

export interface ClientListenerOptions {
  readonly engine: Engine;
  readonly gateway: Gateway;
  /** the static private key that both twins show to clients */
  readonly staticKey: Uint8Array;
  readonly maxClients: number;
  readonly handshakeTimeoutMs: number;
  /** The engine has taken bytes of a client. */
  received(): void;
  /** A client's session is ready: what it should hear first may be queued with `gateway.answer`. */
  joined(client: number): void;
}

export interface ClientListenerCounters {
  readonly accepted: number;
  readonly refusedHandshakes: number;
  readonly refusedFull: number;
  readonly notGenuine: number;
  /** clients closed because too many answers waited for them */
  readonly closedUnread: number;
}

/** Unsent bytes of a socket from which on its client is not read any more and its answers wait in the engine. */
const PAUSE_ABOVE_BYTES = 256 * 1024;
/** Where answers are sealed: room for the largest packet, and for those of one turn at most loads. */
const SLAB_BYTES = 128 * 1024;
const WRITES_PER_SLAB = 256;
/** How long such a client may take to read them. */
const UNREAD_TIMEOUT_MS = 10_000;

export class ClientListener {
  readonly #options: ClientListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Map<number, Socket>();
  readonly #opening = new HalfOpen();
  /** Sockets that are not read until their client has read; each with the end of its time for that. */
  readonly #stalled = new Map<Socket, NodeJS.Timeout>();
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  readonly #writes = new Uint32Array(3 * WRITES_PER_SLAB);
  readonly #counters = { accepted: 0, refusedHandshakes: 0, refusedFull: 0, notGenuine: 0, closedUnread: 0 };

  constructor(options: ClientListenerOptions) {
    this.#options = options;
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => void this.#accept(socket));
  }

  get clients(): number {
    return this.#sockets.size;
  }

  get counters(): ClientListenerCounters {
    return this.#counters;
  }

  /** Throws ERR_TMR_LISTEN. Resolves to the address in use, with the port that port 0 became. */
  listen(address: string): Promise<string> {
    return listen(this.#server, address);
  }

  /** Writes the answers that are ready, one write per client. */
  flush(): void {
    const writes = this.#writes;
    for (;;) {
      const slab = this.#slab;
      const count = this.#options.gateway.takeClientOutput(slab, writes);
      if (count === 0) return;
      for (let at = 0; at < 3 * count; at += 3) {
        const client = writes[at] as number;
        const offset = writes[at + 1] as number;
        const length = writes[at + 2] as number;
        const socket = this.#sockets.get(client);
        if (socket === undefined || socket.destroyed) continue;
        if (length === 0) this.#closeUnread(socket);
        else this.#write(client, socket, slab.subarray(offset, offset + length));
      }
    }
  }

  /** Closes every client after its answers have been written; new ones are still accepted. */
  dropClients(): void {
    this.flush();
    for (const socket of this.#sockets.values()) socket.end();
  }

  /** Stops accepting and closes every client after its answers have been written. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#opening.destroyAll();
    // The server is closed before the last sockets say so; they still need the gateway then.
    const gone = [...this.#sockets.values()].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    this.dropClients();
    const force = setTimeout(() => {
      for (const socket of this.#sockets.values()) socket.destroy();
    }, 1_000);
    await Promise.all([closed, ...gone]);
    clearTimeout(force);
  }

  /** Every client's number, for a notice to all. */
  *numbers(): Iterable<number> {
    yield* this.#sockets.keys();
  }

  async #accept(socket: Socket): Promise<void> {
    const full = this.#sockets.size + this.#opening.size >= this.#options.maxClients;
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
    this.#counters.accepted++;
    this.#open(client, socket, established.rest);
  }

  #open(client: number, socket: Socket, rest: Buffer): void {
    const { gateway } = this.#options;
    this.#sockets.set(client, socket);
    socket.on("data", (chunk: Buffer) => this.#take(client, socket, chunk));
    // A broken connection is an everyday event; "close" follows.
    socket.on("error", () => {});
    socket.on("drain", () => {
      clearTimeout(this.#stalled.get(socket));
      this.#stalled.delete(socket);
      socket.resume();
      gateway.holdClient(client, false);
      this.flush();
    });
    socket.on("close", () => {
      clearTimeout(this.#stalled.get(socket));
      this.#stalled.delete(socket);
      this.#sockets.delete(client);
      gateway.removeClient(client);
    });
    this.#options.joined(client);
    if (rest.length > 0) this.#take(client, socket, rest);
    socket.resume();
  }

  #take(client: number, socket: Socket, chunk: Buffer): void {
    const intake = this.#options.gateway.clientBytes(client, chunk);
    if (intake === Intake.ok) {
      this.#options.received();
      return;
    }
    if (intake === Intake.malformed) {
      this.#counters.notGenuine++;
      socket.destroy();
    } else {
      this.#closeUnread(socket);
    }
  }

  #closeUnread(socket: Socket): void {
    if (!socket.destroyed) this.#counters.closedUnread++;
    socket.destroy();
  }

  /** Writes a part of the slab. */
  #write(client: number, socket: Socket, bytes: Buffer): void {
    // A socket that has nothing left when write returns is done with the bytes. One that has keeps them until the kernel
    // takes them: then the slab is left to it. One that had something left before is given a copy.
    const behind = socket.writableLength > 0;
    socket.write(behind ? Buffer.from(bytes) : bytes);
    if (socket.writableLength === 0) return;
    if (!behind && bytes.buffer === this.#slab.buffer) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    if (socket.writableLength <= PAUSE_ABOVE_BYTES) return;
    this.#options.gateway.holdClient(client, true);
    socket.pause();
    if (!this.#stalled.has(socket)) {
      this.#stalled.set(
        socket,
        setTimeout(() => this.#closeUnread(socket), UNREAD_TIMEOUT_MS),
      );
    }
  }
}
