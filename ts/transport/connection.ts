/** Messages over one encrypted connection: a socket and its session, for peers that are not on the gateway's path. */
import type { Socket } from "node:net";
import type { Session } from "../engine/types.js";
import { TmrError } from "../errors.js";
import type { Established } from "./handshake.js";

export interface ConnectionHandlers {
  /** One whole message, opened. */
  message(message: Buffer): void;
  /** Called exactly once. Null when either side closed in order. */
  closed(error: Error | null): void;
}

/** How long a peer may take to read what was sent before the connection was closed. */
const LINGER_MS = 1_000;

export class Connection {
  readonly remoteStaticKey: Buffer | null;
  readonly #socket: Socket;
  readonly #session: Session;
  readonly #handlers: ConnectionHandlers;
  #closed = false;

  constructor(socket: Socket, established: Established, handlers: ConnectionHandlers) {
    this.#socket = socket;
    this.#session = established.session;
    this.#handlers = handlers;
    this.remoteStaticKey = established.remoteStaticKey;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (error) => this.#finish(error));
    socket.on("close", () => this.#finish(null));
    // Given in a later turn, so that the creator holds the connection before its first message arrives.
    setImmediate(() => {
      if (established.rest.length > 0) this.#receive(established.rest);
      if (!this.#closed) socket.resume();
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes accepted by {@link send} and not yet taken by the kernel. */
  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  get remoteAddress(): string {
    return `${this.#socket.remoteAddress ?? "?"}:${this.#socket.remotePort ?? 0}`;
  }

  /** Seals and writes one message. After the connection was closed it does nothing. */
  send(message: Uint8Array): void {
    if (this.#closed) return;
    const frames = this.#session.seal(message);
    if (frames === null) this.#finish(new TmrError("ERR_TMR_CLOSED", "the session cannot seal any more"));
    else this.#socket.write(frames);
  }

  /** Seals and writes messages that are there at one time, in one system call where the kernel takes them. */
  sendAll(messages: readonly Uint8Array[]): void {
    if (messages.length > 1) this.#socket.cork();
    for (const message of messages) this.send(message);
    if (messages.length > 1) this.#socket.uncork();
  }

  /** Closes after what was sent has been written, within a second. */
  close(): void {
    if (this.#closed) return;
    this.#socket.end();
    this.#finish(null);
  }

  /** A peer that reads nothing must not keep the socket and what waits in it. */
  #endSoon(): void {
    const late = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once("close", () => clearTimeout(late));
    this.#socket.destroySoon();
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    const messages = this.#session.open(chunk);
    if (messages === null) {
      this.#finish(new TmrError("ERR_TMR_PROTOCOL", "bytes that are not genuine or exceed the size limit"));
      return;
    }
    for (const message of messages) {
      if (this.#closed) return;
      this.#handlers.message(message);
    }
  }

  #finish(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#session.close();
    if (error === null && !this.#socket.destroyed) this.#endSoon();
    else this.#socket.destroy();
    this.#handlers.closed(error);
  }
}
