/**
 * The heartbeat between the twins. Each twin calls the other and says its role and the highest carried point; what it
 * hears on the connection that the other made tells it how the other is. A connection that breaks says so at once.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Engine } from "../engine/types.js";
import { Connection } from "../transport/connection.js";
import { dial } from "../transport/dial.js";
import { respond } from "../transport/handshake.js";
import { listen } from "../transport/listen.js";
import { decodeLink, encodeLink, type LinkMessageOf } from "../wire/link.js";
import type { TwinRole } from "./twin.js";

export type Heartbeat = LinkMessageOf<"heartbeat">;

const roles: readonly TwinRole[] = ["passive", "taking-over", "active", "stopping"];

/** The wire number of a role. */
export function roleNumber(role: TwinRole): number {
  return roles.indexOf(role);
}

export interface TwinLinkOptions {
  readonly engine: Engine;
  /** own static private key */
  readonly staticKey: Uint8Array;
  readonly peerKey: Uint8Array;
  readonly peerAddress: string;
  readonly listenAddress: string;
  readonly timeoutMs: number;
  /** What the next heartbeat says. */
  say(): Heartbeat;
  heard(heartbeat: Heartbeat, role: TwinRole | null): void;
  /** The peer's own connection to this server broke. */
  disconnected(): void;
}

const MAX_HEARTBEAT_BYTES = 1024;

export class TwinLink {
  readonly #options: TwinLinkOptions;
  readonly #server: Server;
  #outgoing: Connection | null = null;
  #incoming: Connection | null = null;
  #calling = false;

  constructor(options: TwinLinkOptions) {
    this.#options = options;
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => void this.#accept(socket));
  }

  async start(): Promise<void> {
    await listen(this.#server, this.#options.listenAddress);
  }

  /** Sends one heartbeat, calling the peer first when there is no connection. */
  beat(): void {
    if (this.#outgoing !== null) this.#outgoing.send(encodeLink(this.#options.say()));
    else void this.#call();
  }

  close(): void {
    this.#server.close();
    this.#outgoing?.close();
    this.#incoming?.close();
  }

  async #call(): Promise<void> {
    if (this.#calling) return;
    this.#calling = true;
    const { engine, peerAddress, peerKey, staticKey, timeoutMs } = this.#options;
    try {
      this.#outgoing = await dial(
        peerAddress,
        engine,
        {
          pattern: "IK",
          purpose: "twin",
          staticKey,
          remoteStaticKey: peerKey,
          maxMessageBytes: MAX_HEARTBEAT_BYTES,
          timeoutMs,
        },
        {
          message: () => {},
          closed: () => {
            this.#outgoing = null;
          },
        },
      );
      this.#outgoing.send(encodeLink(this.#options.say()));
    } catch {
      // The peer is away; the next beat calls again.
    } finally {
      this.#calling = false;
    }
  }

  async #accept(socket: Socket): Promise<void> {
    const { engine, staticKey, peerKey, timeoutMs } = this.#options;
    const established = await respond(socket, engine, {
      staticKey,
      purposeOf: (pattern) => (pattern === "IK" ? "twin" : null),
      admit: (_pattern, key) => key?.equals(peerKey) === true,
      maxMessageBytes: () => MAX_HEARTBEAT_BYTES,
      timeoutMs,
    }).catch(() => null);
    if (established === null) return;
    const connection: Connection = new Connection(socket, established, {
      message: (message) => this.#hear(message),
      closed: () => {
        if (this.#incoming !== connection) return;
        this.#incoming = null;
        this.#options.disconnected();
      },
    });
    const former = this.#incoming;
    this.#incoming = connection;
    former?.close();
  }

  #hear(bytes: Buffer): void {
    const message = decodeLink(bytes);
    if (message?.type !== "heartbeat") return;
    this.#options.heard(message, roles[message.role] ?? null);
  }
}
