/** Addresses and outgoing connections. */
import { createConnection, type Socket } from "node:net";
import type { Engine } from "../engine/types.js";
import { TmrError } from "../errors.js";
import { Connection, type ConnectionHandlers } from "./connection.js";
import { type InitiateOptions, initiate } from "./handshake.js";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Parses `host:port` or `[ipv6]:port`; throws ERR_TMR_CONFIG for anything else. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || !(port >= 0 && port <= 65_535)) {
    throw new TmrError("ERR_TMR_CONFIG", `address: expected host:port, received ${JSON.stringify(text)}`);
  }
  return { host, port };
}

/** A connected TCP socket, or ERR_TMR_CONNECT with the system's reason as `cause`. */
export function connectSocket(address: string, timeoutMs: number): Promise<Socket> {
  const { host, port } = parseAddress(address);
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, noDelay: true });
    const fail = (cause: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new TmrError("ERR_TMR_CONNECT", `cannot connect to ${address}: ${cause.message}`, { cause }));
    };
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    socket.once("error", fail);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

/** Connects and runs the initiator's handshake: an encrypted connection that is ready for messages. */
export async function dial(
  address: string,
  engine: Engine,
  options: InitiateOptions,
  handlers: ConnectionHandlers,
): Promise<Connection> {
  const socket = await connectSocket(address, options.timeoutMs);
  return new Connection(socket, await initiate(socket, engine, options), handlers);
}
