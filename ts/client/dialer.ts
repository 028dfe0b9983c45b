/** How the client gets its connections: a port, so that tests and the simulator bring their own. */
import { createConnection, type Socket } from "node:net";
import type { Engine } from "../engine/types.js";
import { TmrError } from "../errors.js";
import { Connection } from "../transport/connection.js";
import { parseAddress } from "../transport/dial.js";
import { initiate } from "../transport/handshake.js";
import { MAX_PACKET_BYTES } from "../wire/message.js";

export interface LinkHandlers {
  message(message: Uint8Array): void;
  /** Called once, when the connection ended other than by `close`. */
  closed(why: string): void;
}

/** One open connection to one server, for whole messages. */
export interface ServerLink {
  send(message: Uint8Array): void;
  /** Ends it at once; nothing is heard of it any more. */
  close(): void;
}

/** Connects to server number `server`; rejects when that is not possible, or soon after `signal` was aborted. */
export type Dialer = (server: number, handlers: LinkHandlers, signal: AbortSignal) => Promise<ServerLink>;

const HANDSHAKE_TIMEOUT_MS = 5_000;

/** Encrypted TCP connections to `addresses`, whose servers prove that they hold the private key of `serverKey`. */
export function socketDialer(engine: Engine, addresses: readonly string[], serverKey: Uint8Array): Dialer {
  return async (server, handlers, signal) => {
    const socket = await connectSocket(addresses[server] ?? "", signal);
    const abort = (): void => void socket.destroy();
    signal.addEventListener("abort", abort, { once: true });
    const established = await initiate(socket, engine, {
      pattern: "NK",
      purpose: "client",
      remoteStaticKey: serverKey,
      maxMessageBytes: MAX_PACKET_BYTES,
      timeoutMs: HANDSHAKE_TIMEOUT_MS,
    });
    signal.removeEventListener("abort", abort);
    const connection = new Connection(socket, established, {
      message: (message) => handlers.message(message),
      closed: (error) => handlers.closed(error?.message ?? "the server closed the connection"),
    });
    return {
      send: (message) => connection.send(message),
      close: () => {
        connection.close();
        socket.destroy();
      },
    };
  };
}

/** A connected socket that does not keep the process alive: the client's timer does, while somebody waits. */
function connectSocket(address: string, signal: AbortSignal): Promise<Socket> {
  const { host, port } = parseAddress(address);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, noDelay: true });
    socket.unref();
    const fail = (cause: Error): void => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
      reject(new TmrError("ERR_TMR_CONNECT", `cannot connect to ${address}: ${cause.message}`, { cause }));
    };
    const abort = (): void => fail(new Error("given up"));
    signal.addEventListener("abort", abort, { once: true });
    socket.once("error", fail);
    socket.once("connect", () => {
      signal.removeEventListener("abort", abort);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}
