/**
 * Two small TMR servers for the client's tests: the real encryption and packets, and behind them one shared table of
 * seats.
 */
import { createServer, type Server, type Socket } from "node:net";
import { loadEngine } from "../../ts/engine/index.js";
import { Connection } from "../../ts/transport/connection.js";
import { respond } from "../../ts/transport/handshake.js";
import { listen } from "../../ts/transport/listen.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { MAX_PACKET_BYTES } from "../../ts/wire/message.js";
import { LEASE, readRequests, resultsPacket, type SentRequest } from "./client-scenario.js";
import type { FakeSeats, FullReply } from "./fake-seats.js";

/** `silent` takes connections and requests and never answers, as a stopped process does. */
export type FakeRole = "active" | "passive" | "silent";

export class FakeTmrServer {
  role: FakeRole;
  packets = 0;
  /** requests that came while silent */
  readonly unanswered: SentRequest[] = [];
  address = "";
  readonly #seats: FakeSeats;
  readonly #privateKey: Uint8Array;
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<Connection>();
  readonly #server: Server;

  constructor(seats: FakeSeats, privateKey: Uint8Array, role: FakeRole) {
    this.#seats = seats;
    this.#privateKey = privateKey;
    this.role = role;
    this.#server = createServer({ pauseOnConnect: true }, (socket) => void this.#accept(socket));
  }

  async start(): Promise<void> {
    this.address = await listen(this.#server, this.address === "" ? "127.0.0.1:0" : this.address);
  }

  /** Like kill -9: every connection is gone at once and nothing listens any more. */
  async kill(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  /** Says to every client that this server is not active any more. */
  stepDown(): void {
    this.role = "passive";
    const notice = { kind: Kind.notice, request: 0, session: Buffer.alloc(16), status: Status["not-active"] };
    for (const connection of this.#connections) connection.send(resultsPacket([notice]));
  }

  async #accept(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    const established = await respond(socket, loadEngine(), {
      staticKey: this.#privateKey,
      purposeOf: (pattern) => (pattern === "NK" ? "client" : null),
      admit: () => true,
      maxMessageBytes: () => MAX_PACKET_BYTES,
      timeoutMs: 5_000,
    });
    if (established === null) return;
    const connection = new Connection(socket, established, {
      message: (message) => this.#message(connection, message),
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  #message(connection: Connection, message: Buffer): void {
    this.packets++;
    const requests = readRequests(message);
    if (this.role === "silent") {
      this.unanswered.push(...requests);
      return;
    }
    connection.send(resultsPacket(requests.map((request) => this.#reply(request))));
  }

  #reply(request: SentRequest): FullReply {
    const base = { kind: request.kind, request: request.number, session: request.session };
    if (request.kind === Kind.status) {
      const status = { name: this.address, role: this.role, upstreams: [], licenses: [] };
      return { ...base, text: JSON.stringify(status) };
    }
    if (this.role === "passive") return { ...base, status: Status["not-active"], text: "" };
    if (request.kind === Kind.items) {
      // One item per answer, so that a list takes several.
      const { cursor } = request;
      return {
        ...base,
        ...LEASE,
        text: JSON.stringify([{ itemRef: cursor + 1 }]),
        nextCursor: cursor < 2 ? cursor + 1 : 0,
      };
    }
    return this.#seats.execute(request);
  }
}
