/** One upstream of a fresh system, and the TMR server's side of a link to it. */
import { copyFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import pino, { type Logger } from "pino";
import {
  genesisOf,
  loadServerConfig,
  loadUpstreamConfig,
  type ServerConfig,
  type UpstreamConfig,
} from "../../ts/config/index.js";
import { type Genesis, genesisDigest } from "../../ts/license/genesis.js";
import type { Connection } from "../../ts/transport/connection.js";
import { dial } from "../../ts/transport/dial.js";
import type { Purpose } from "../../ts/transport/handshake.js";
import { type RunningUpstream, runUpstream, type UpstreamDependencies } from "../../ts/upstream/server.js";
import { decodeLink, encodeLink, type LinkMessage, type LinkMessageOf, type LinkName } from "../../ts/wire/link.js";
import { MAX_LINK_MESSAGE_BYTES, MessageField, MessageType } from "../../ts/wire/message.js";
import { type Issuing, issuingIn, license } from "./issuing.js";
import { sha256 } from "./license-ports.js";
import { engine } from "./native-engine.js";
import { type Answer, decodeVote } from "./replica-kit.js";

/** A system with one license in three containers, those of upstream 1 in its folder. */
export class UpstreamFolder {
  readonly issuing: Issuing;
  readonly genesis: Genesis;
  readonly genesisDigest: Buffer;

  private constructor(issuing: Issuing) {
    this.issuing = issuing;
    this.genesis = genesisOf(issuing.system.system);
    this.genesisDigest = Buffer.from(genesisDigest(this.genesis, sha256));
  }

  static async make(folder: string): Promise<UpstreamFolder> {
    const made = new UpstreamFolder(issuingIn(folder));
    await made.issuing.issue([license("cad", 13)]);
    made.putContainer();
    return made;
  }

  /** Copies the issued container of upstream 1 to where it is served from. */
  putContainer(): string {
    const to = join(this.issuing.system.containerDirs[0], "upstream-1.tmrc");
    copyFileSync(join(this.issuing.out, "upstream-1.tmrc"), to);
    return to;
  }

  /** Port 0: the system chooses. */
  get config(): UpstreamConfig {
    return { ...loadUpstreamConfig(this.issuing.system.upstreamFiles[0]), listen: "127.0.0.1:0" };
  }

  server(twin: 0 | 1): ServerConfig {
    return loadServerConfig(this.issuing.system.serverFiles[twin]);
  }

  run(
    config: UpstreamConfig = this.config,
    log: Logger = pino({ level: "silent" }),
    more: Partial<UpstreamDependencies> = {},
  ): Promise<RunningUpstream> {
    const fatal = (error: unknown) => {
      throw error;
    };
    return runUpstream(config, { engine, log, version: "0.0.0-test", fatal, ...more });
  }
}

/** Messages of a connection, one after another; rejects when it closes. */
class Inbox {
  readonly #messages: Buffer[] = [];
  #waiting: { resolve(message: Buffer): void; reject(error: Error): void } | null = null;
  #end: Error | null = null;

  readonly handlers = {
    message: (message: Buffer) => {
      const waiting = this.#waiting;
      this.#waiting = null;
      if (waiting === null) this.#messages.push(message);
      else waiting.resolve(message);
    },
    closed: (error: Error | null) => {
      this.#end = new Error("the connection closed", { cause: error });
      this.#waiting?.reject(this.#end);
    },
  };

  next(): Promise<Buffer> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#end !== null) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }
}

/** A connection to an upstream that asks and waits. */
export class Peer {
  readonly #connection: Connection;
  readonly #inbox: Inbox;
  /** The last holding statement offered. */
  holding: Buffer | null = null;

  private constructor(connection: Connection, inbox: Inbox) {
    this.#connection = connection;
    this.#inbox = inbox;
  }

  /** As a TMR server, with its key; without a key as a client. */
  static async dial(address: string, upstreamKey: Uint8Array, staticKey?: Uint8Array): Promise<Peer> {
    const inbox = new Inbox();
    const purpose: Purpose = staticKey === undefined ? "client" : "link";
    const connection = await dial(
      address,
      engine,
      {
        pattern: staticKey === undefined ? "NK" : "IK",
        purpose,
        ...(staticKey === undefined ? {} : { staticKey }),
        remoteStaticKey: upstreamKey,
        maxMessageBytes: MAX_LINK_MESSAGE_BYTES,
        timeoutMs: 10_000,
      },
      inbox.handlers,
    );
    return new Peer(connection, inbox);
  }

  send(message: Uint8Array): void {
    this.#connection.send(message);
  }

  next(): Promise<Buffer> {
    return this.#inbox.next();
  }

  /** The answer to a message; holding statements in between are kept aside. */
  async ask(message: Uint8Array): Promise<Answer> {
    this.send(message);
    for (;;) {
      const answer = await this.next();
      if (answer[MessageField.type] === MessageType.vote) return decodeVote(answer);
      const decoded = decodeLink(answer);
      if (decoded === null) throw new Error("an answer is not a message");
      if (decoded.type !== "holding") return decoded;
      this.holding = Buffer.from(decoded.statement);
    }
  }

  async expect<N extends LinkName>(message: LinkMessage, type: N): Promise<LinkMessageOf<N>> {
    const answer = await this.ask(encodeLink(message));
    if (answer.type !== type) throw new Error(`expected ${type}, received ${answer.type}`);
    return answer as LinkMessageOf<N>;
  }

  /** Pings until a statement was offered that is not the one given. */
  async offered(epoch: number, not: Buffer | null = null): Promise<Buffer> {
    for (;;) {
      await this.expect({ type: "ping", epoch }, "pong");
      if (this.holding !== null && (not === null || !this.holding.equals(not))) return this.holding;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  close(): void {
    this.#connection.close();
  }
}

/** A bare TCP connection. */
export function rawSocket(address: string): Promise<Socket> {
  const [host = "", port = ""] = address.split(":");
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port: Number(port) }, () => resolve(socket));
    socket.on("error", reject);
  });
}
