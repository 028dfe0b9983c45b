/**
 * One link of the panel: keeps an encrypted connection to an upstream, and makes a new one whenever it breaks. The engine has
 * its socket once it is open; this file only decides when to connect.
 */
import type { Socket } from "node:net";
import type { ClosedConnection, Engine, Gateway, Session, Sockets } from "../engine/types.js";
import { connectSocket } from "../transport/dial.js";
import { handOver } from "../transport/hand-over.js";
import { initiate } from "../transport/handshake.js";
import { Silence } from "../transport/silence.js";
import { MAX_LINK_MESSAGE_BYTES } from "../wire/message.js";
import type { UpstreamId } from "./choose.js";

export interface UpstreamLinkOptions {
  readonly engine: Engine;
  readonly gateway: Gateway;
  readonly sockets: Sockets;
  readonly upstream: UpstreamId;
  readonly address: string;
  /** the upstream's static public key */
  readonly remoteStaticKey: Uint8Array;
  /** own static private key */
  readonly staticKey: Uint8Array;
  readonly connectTimeoutMs: number;
  /** one that was not heard for so long, though it is asked at every heartbeat, is called anew */
  readonly silenceMs: number;
  connected(upstream: UpstreamId): void;
  disconnected(upstream: UpstreamId, reason: string): void;
}

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 500;
/** One that cannot be talked to will be another one after an upgrade. */
const REFUSED_RETRY_MS = 5_000;
/** An upstream that takes nothing for so long that this much waits is given up; it will be fed from its log's end. */
export const MAX_UNSENT_BYTES = 64 * 1024 * 1024;
const reasons = {
  ended: "connection closed",
  "not-genuine": "bytes that are not genuine",
  unread: "the upstream takes no bytes",
  idle: "the upstream says nothing",
} as const;

export class UpstreamLink {
  readonly #options: UpstreamLinkOptions;
  #retryTimer: NodeJS.Timeout | null = null;
  #retryMs = FIRST_RETRY_MS;
  /** While the connection is open. */
  #silence: Silence | null = null;
  #closed = false;

  constructor(options: UpstreamLinkOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#connect();
  }

  /** To be told when the engine says that the connection is over. */
  closed({ why, error }: ClosedConnection): void {
    this.#over(why === "failed" ? error : reasons[why]);
  }

  /** The upstream has said something. */
  heard(nowMs: number): void {
    this.#silence?.heard(nowMs);
  }

  /** To be called regularly. */
  tick(nowMs: number): void {
    if (this.#silence?.isTooLong(nowMs) !== true) return;
    this.#options.sockets.dropUpstream(this.#options.upstream);
    this.#over(`nothing heard for ${this.#options.silenceMs} ms`);
  }

  /** The upstream and this server cannot talk with each other: the connection is over, and tried again seldom. */
  refuse(why: string): void {
    this.#options.sockets.dropUpstream(this.#options.upstream);
    this.#retryMs = REFUSED_RETRY_MS;
    this.#over(why);
  }

  close(): void {
    this.#closed = true;
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#options.sockets.dropUpstream(this.#options.upstream);
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

  #open(socket: Socket, session: Session, rest: Buffer): void {
    const { gateway, sockets, upstream } = this.#options;
    gateway.setUpstream(upstream, session);
    const open = (descriptor: number, all: Buffer) => sockets.openUpstream(upstream, descriptor, all);
    if (!handOver(socket, rest, open)) {
      gateway.clearUpstream(upstream);
      this.#later(reasons.ended);
      return;
    }
    this.#retryMs = FIRST_RETRY_MS;
    this.#silence = new Silence(this.#options.silenceMs, performance.now());
    this.#options.connected(upstream);
  }

  #over(reason: string): void {
    this.#silence = null;
    this.#options.gateway.clearUpstream(this.#options.upstream);
    this.#later(reason);
  }

  #later(reason: string): void {
    this.#options.disconnected(this.#options.upstream, reason);
    if (this.#closed) return;
    this.#retryTimer = setTimeout(() => void this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }
}
