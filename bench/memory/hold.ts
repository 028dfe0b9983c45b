/** Sessions that hold handles, over real encrypted connections; they ask for nothing more once they have them. */
import { randomBytes } from "node:crypto";
import { decodeResults, encodeNames, encodeRequests, type OutgoingRequest } from "../../ts/client/packet.js";
import type { Engine } from "../../ts/engine/types.js";
import type { Connection } from "../../ts/transport/connection.js";
import { dial } from "../../ts/transport/dial.js";
import { AccessMode, Kind, Status, statusName } from "../../ts/wire/kinds.js";
import { MAX_PACKET_BYTES } from "../../ts/wire/message.js";

export interface HoldOptions {
  readonly address: string;
  readonly serverKey: Uint8Array;
  readonly license: { readonly firmCode: number; readonly productCode: number };
  readonly sessions: number;
  readonly handlesPerSession: number;
  readonly connections: number;
}

/** Connections that are worked on at one time. */
const AT_ONCE = 64;
/** The longest that servers allow by default: nobody has to send heartbeats. */
const TIMEOUT_MS = 86_400_000;
const PER_PACKET = 256;

/** Opens connections and sessions and takes the handles. Resolves to what ends them all. */
export async function holdHandles(engine: Engine, options: HoldOptions): Promise<() => void> {
  const { sessions, connections } = options;
  const open: Connection[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < connections) {
      const index = next++;
      const line = await Line.open(engine, options);
      open.push(line.connection);
      const from = Math.floor((index * sessions) / connections);
      const to = Math.floor(((index + 1) * sessions) / connections);
      for (let session = from; session < to; session++) await line.hold(session, options);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, connections) }, work));
  return () => {
    for (const connection of open) connection.close();
  };
}

/** One connection that asks and waits. */
class Line {
  connection!: Connection;
  #left = 0;
  #settle: { resolve(): void; reject(error: Error): void } | null = null;

  static async open(engine: Engine, { address, serverKey }: HoldOptions): Promise<Line> {
    const line = new Line();
    line.connection = await dial(
      address,
      engine,
      {
        pattern: "NK",
        purpose: "client",
        remoteStaticKey: serverKey,
        maxMessageBytes: MAX_PACKET_BYTES,
        timeoutMs: 30_000,
      },
      {
        message: (message) => line.#take(message),
        closed: (error) => line.#settle?.reject(new Error("a connection closed", { cause: error })),
      },
    );
    return line;
  }

  async hold(number: number, { license, handlesPerSession }: HoldOptions): Promise<void> {
    const session = randomBytes(16);
    const names = encodeNames({
      host: `workstation-${number}`,
      user: `user-${number}`,
      station: `workstation-${number}/2`,
      program: "cad",
      runtimeVersion: "1.0.0",
    });
    await this.#ask([
      { request: { kind: Kind.openSession, request: 1, session, durationMs: TIMEOUT_MS }, blob: names },
    ]);
    const access = {
      kind: Kind.access,
      mode: AccessMode.userLimit,
      quantity: 1,
      session,
      answeredBelow: 2,
      ...license,
    };
    for (let first = 0; first < handlesPerSession; first += PER_PACKET) {
      const count = Math.min(PER_PACKET, handlesPerSession - first);
      await this.#ask(
        Array.from({ length: count }, (_, i) => {
          const request = 2 + first + i;
          return { request: { ...access, request, answeredBelow: 2 + first }, blob: null };
        }),
      );
    }
    // Acknowledges the answers, as a client's next heartbeat does: what is held is handles, not answers.
    const request = 2 + handlesPerSession;
    await this.#ask([{ request: { kind: Kind.heartbeat, request, answeredBelow: request, session }, blob: null }]);
  }

  #ask(requests: readonly OutgoingRequest[]): Promise<void> {
    this.#left = requests.length;
    this.connection.send(encodeRequests(requests));
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  #take(message: Uint8Array): void {
    for (const { result, blob } of decodeResults(message) ?? []) {
      if (result.status !== Status.ok) {
        this.#settle?.reject(new Error(`${statusName(result.status)}: ${Buffer.from(blob).toString("utf8")}`));
      }
      this.#left--;
    }
    if (this.#left === 0) this.#settle?.resolve();
  }
}
