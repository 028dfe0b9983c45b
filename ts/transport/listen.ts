/** Listening on an address, with one clear error when that is not possible. */
import type { Server } from "node:net";
import { TmrError } from "../errors.js";
import { parseAddress } from "./dial.js";

/**
 * Connections that may wait until they are accepted; the kernel takes no more than its somaxconn, 4096. One that finds no
 * place tries again after a second: thousands that come back at once should not.
 */
const BACKLOG = 4096;

/** Resolves to the `host:port` in use. Rejects with ERR_TMR_LISTEN naming the address and the system's reason. */
export function listen(server: Server, address: string): Promise<string> {
  const { host, port } = parseAddress(address);
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === "EADDRINUSE" ? "the port is in use by another program" : cause.message;
      reject(new TmrError("ERR_TMR_LISTEN", `cannot listen on ${address}: ${reason}`, { cause }));
    };
    server.once("error", fail);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off("error", fail);
      const bound = server.address();
      resolve(bound !== null && typeof bound === "object" ? `${host}:${bound.port}` : address);
    });
  });
}
