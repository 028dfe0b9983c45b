/**
 * The heartbeat between the twins. Each twin calls the other and says its role and the highest carried point; what it
 * hears on the connection that the other made tells it how the other is. A connection that breaks says so at once.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Engine } from "../engine/types.js";
import { TmrError } from "../errors.js";
import { Connection } from "../transport/connection.js";
import { dial } from "../transport/dial.js";
import { HalfOpen } from "../transport/half-open.js";
import { respond } from "../transport/handshake.js";
import { listen } from "../transport/listen.js";
import { Silence } from "../transport/silence.js";
import { Greeting, helloOf, type Versions } from "../wire/hello.js";
import { decodeLink, encodeLink, type LinkMessageOf } from "../wire/link.js";
import { roleOf, type TwinRole } from "./twin.js";

export type Heartbeat = LinkMessageOf<"heartbeat">;

/** What belongs to a planned hand-over. */
export type HandOverMessage = LinkMessageOf<"handOver" | "handOverReply">;

export interface TwinLinkOptions {
  readonly engine: Engine;
  /** own static private key */
  readonly staticKey: Uint8Array;
  readonly peerKey: Uint8Array;
  readonly peerAddress: string;
  readonly listenAddress: string;
  readonly timeoutMs: number;
  readonly versions: Versions;
  /** The twin's build and this one have no version in common; what it says is not taken. */
  refused(why: string): void;
  /** A connection on which the peer was not heard for so long is given up: it is called anew, or has to call anew. */
  readonly silenceMs: number;
  /** What the next heartbeat says. */
  say(): Heartbeat;
  heard(heartbeat: Heartbeat, role: TwinRole | null): void;
  /** `role` is the one that the message names, null where it names none. */
  handOver(message: HandOverMessage, role: TwinRole | null): void;
  /** The peer's own connection to this server broke. */
  disconnected(): void;
}

export interface TwinLinkCounters {
  /** connections that did not finish the handshake or are not the twin */
  readonly refusedTwins: number;
  /** messages that are no heartbeat, and connections closed for bytes that are not genuine */
  readonly malformedTwins: number;
}

const MAX_HEARTBEAT_BYTES = 1024;
/** From this version of the protocol on every heartbeat is answered; an older twin that is silent is well. */
const ANSWERING_PROTOCOL = 2;
/** The twin needs one; the others are whoever else found the port. */
const MAX_HALF_OPEN = 64;

export class TwinLink {
  readonly #options: TwinLinkOptions;
  readonly #server: Server;
  readonly #opening = new HalfOpen();
  readonly #counters = { refusedTwins: 0, malformedTwins: 0 };
  #outgoing: Connection | null = null;
  #incoming: Connection | null = null;
  #calling = false;
  /** version of the protocol, as the peer's own connection told */
  #spoken = 1;
  /** The peer answers on the connection that was made to it, and beats on its own. */
  readonly #answers: Silence;
  readonly #heartbeats: Silence;

  constructor(options: TwinLinkOptions) {
    this.#options = options;
    const [silenceMs, nowMs] = [options.silenceMs, performance.now()];
    [this.#answers, this.#heartbeats] = [new Silence(silenceMs, nowMs), new Silence(silenceMs, nowMs)];
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => void this.#accept(socket));
  }

  get counters(): TwinLinkCounters {
    return this.#counters;
  }

  async start(): Promise<void> {
    await listen(this.#server, this.#options.listenAddress);
  }

  /** Sends one heartbeat, calling the peer first when there is no connection. */
  beat(): void {
    const nowMs = performance.now();
    // Each by itself: what the peer says on its own connection tells nothing of the one that was made to it.
    const silent = this.#answers.isTooLong(nowMs);
    if (silent && this.#spoken >= ANSWERING_PROTOCOL) this.#outgoing?.close();
    if (this.#heartbeats.isTooLong(nowMs)) this.#incoming?.close();
    if (this.#outgoing !== null) this.#outgoing.send(encodeLink(this.#options.say()));
    else void this.#call();
  }

  /** Sends a message where there is a connection; whoever waits for the answer has a deadline. */
  tell(message: HandOverMessage): void {
    this.#outgoing?.send(encodeLink(message));
  }

  close(): void {
    this.#server.close();
    this.#opening.destroyAll();
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
          message: () => this.#answers.heard(performance.now()),
          closed: () => {
            this.#outgoing = null;
          },
        },
      );
      this.#answers.heard(performance.now());
      this.#outgoing.sendAll([helloOf(this.#options.versions), encodeLink(this.#options.say())]);
    } catch {
      // The peer is away; the next beat calls again.
    } finally {
      this.#calling = false;
    }
  }

  async #accept(socket: Socket): Promise<void> {
    const { engine, staticKey, peerKey, timeoutMs } = this.#options;
    if (this.#opening.size >= MAX_HALF_OPEN) this.#opening.dropOldest();
    this.#opening.add(socket);
    const established = await respond(socket, engine, {
      staticKey,
      purposeOf: (pattern) => (pattern === "IK" ? "twin" : null),
      admit: (_pattern, key) => key?.equals(peerKey) === true,
      maxMessageBytes: () => MAX_HEARTBEAT_BYTES,
      timeoutMs,
    }).catch(() => null);
    this.#opening.delete(socket);
    if (established === null) {
      this.#counters.refusedTwins++;
      socket.destroy();
      return;
    }
    const proven = this.#opening.hold(socket, timeoutMs);
    const greeting = new Greeting(this.#options.versions);
    const connection: Connection = new Connection(socket, established, {
      message: (message) => {
        proven();
        const heard = greeting.take(message);
        this.#spoken = greeting.agreed?.protocol ?? 1;
        if (heard.type === "message") this.#hear(connection, message);
        else if (heard.type === "refused") this.#refuse(connection, heard.why);
      },
      closed: (error) => {
        proven();
        if (error instanceof TmrError && error.code === "ERR_TMR_PROTOCOL") this.#counters.malformedTwins++;
        if (this.#incoming !== connection) return;
        this.#incoming = null;
        this.#options.disconnected();
      },
    });
  }

  #refuse(connection: Connection, why: string): void {
    connection.close();
    this.#options.refused(why);
  }

  /** The newest connection that has said something is the twin's: it calls again when it has lost the one before. */
  #adopt(connection: Connection): void {
    if (this.#incoming === connection) return;
    const former = this.#incoming;
    this.#incoming = connection;
    former?.close();
  }

  #hear(connection: Connection, bytes: Buffer): void {
    const message = decodeLink(bytes);
    if (message === null) {
      this.#counters.malformedTwins++;
      return;
    }
    switch (message.type) {
      case "heartbeat":
        this.#heartbeats.heard(performance.now());
        this.#adopt(connection);
        // Says that it was heard; what the twin has to know it is told on the other connection.
        connection.send(encodeLink(this.#options.say()));
        return this.#options.heard(message, roleOf(message.role));
      case "handOver":
        return this.#options.handOver(message, null);
      case "handOverReply":
        return this.#options.handOver(message, roleOf(message.role));
      default:
        this.#counters.malformedTwins++;
    }
  }
}
