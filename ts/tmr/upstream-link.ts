/**
 * One link of the panel: keeps an encrypted connection to an upstream, and makes a new one whenever it breaks. Bytes go
 * straight between the socket and the engine; this file only decides when to connect.
 */
import type { Socket } from "node:net";
import type { Engine, Gateway } from "../engine/types.js";
import { Intake } from "../engine/types.js";
import { connectSocket } from "../transport/dial.js";
import { initiate } from "../transport/handshake.js";
import { MAX_LINK_MESSAGE_BYTES } from "../wire/message.js";
import type { UpstreamId } from "./choose.js";

export interface UpstreamLinkOptions {
  readonly engine: Engine;
  readonly gateway: Gateway;
  readonly upstream: UpstreamId;
  readonly address: string;
  /** the upstream's static public key */
  readonly remoteStaticKey: Uint8Array;
  /** own static private key */
  readonly staticKey: Uint8Array;
  readonly connectTimeoutMs: number;
  connected(upstream: UpstreamId): void;
  disconnected(upstream: UpstreamId, reason: string): void;
  /** The engine has taken bytes: votes are counted, other messages wait in the gateway. */
  received(upstream: UpstreamId): void;
}

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 500;
/** An upstream that takes nothing for so long that this much waits is given up; it will be fed from its log's end. */
const MAX_UNSENT_BYTES = 64 * 1024 * 1024;

export class UpstreamLink {
  readonly #options: UpstreamLinkOptions;
  #socket: Socket | null = null;
  #retryTimer: NodeJS.Timeout | null = null;
  #retryMs = FIRST_RETRY_MS;
  #lastReason = "";
  #closed = false;

  constructor(options: UpstreamLinkOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#connect();
  }

  /** Writes what the engine has sealed for this upstream. */
  flush(): void {
    const socket = this.#socket;
    if (socket === null) return;
    for (;;) {
      const bytes = this.#options.gateway.takeUpstreamOutput(this.#options.upstream);
      if (bytes === null) break;
      socket.write(bytes);
    }
    if (socket.writableLength > MAX_UNSENT_BYTES) socket.destroy(new Error("the upstream takes no bytes"));
  }

  close(): void {
    this.#closed = true;
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#socket?.destroy();
  }

  async #connect(): Promise<void> {
    const { engine, address, connectTimeoutMs } = this.#options;
    this.#retryTimer = null;
    try {
      const socket = await connectSocket(address, connectTimeoutMs);
      const established = await initiate(socket, engine, {
        pattern: "IK",
        purpose: "link",
        staticKey: this.#options.staticKey,
        remoteStaticKey: this.#options.remoteStaticKey,
        maxMessageBytes: MAX_LINK_MESSAGE_BYTES,
        timeoutMs: connectTimeoutMs,
      });
      if (this.#closed) {
        established.session.close();
        socket.destroy();
        return;
      }
      this.#open(socket, established.session, established.rest);
    } catch (error) {
      this.#later(error instanceof Error ? error.message : String(error));
    }
  }

  #open(socket: Socket, session: Parameters<Gateway["setUpstream"]>[1], rest: Buffer): void {
    const { gateway, upstream } = this.#options;
    this.#socket = socket;
    this.#retryMs = FIRST_RETRY_MS;
    this.#lastReason = "";
    gateway.setUpstream(upstream, session);
    socket.on("data", (chunk: Buffer) => this.#take(socket, chunk));
    socket.on("error", (error) => {
      this.#lastReason = error.message;
    });
    socket.on("close", () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      gateway.clearUpstream(upstream);
      this.#later(this.#lastReason === "" ? "connection closed" : this.#lastReason);
    });
    this.#options.connected(upstream);
    if (rest.length > 0) this.#take(socket, rest);
    socket.resume();
  }

  #take(socket: Socket, chunk: Buffer): void {
    if (this.#options.gateway.upstreamBytes(this.#options.upstream, chunk) !== Intake.ok) {
      this.#lastReason = "bytes that are not genuine";
      socket.destroy();
      return;
    }
    this.#options.received(this.#options.upstream);
  }

  #later(reason: string): void {
    this.#options.disconnected(this.#options.upstream, reason);
    if (this.#closed) return;
    this.#retryTimer = setTimeout(() => void this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }
}
