/** Takes a connection away from Node's stream after its handshake, so that the engine reads and writes it from then on. */
import type { Socket } from "node:net";

/**
 * Gives the socket's descriptor, and what Node has read from it, to `take`, which makes a descriptor of its own. The socket
 * is destroyed then, and the connection lives on if `take` has taken it. False: it did not, or the socket is not fit to be
 * given away: it was closed, or something written to it waits.
 *
 * `_handle.fd` is not documented. It has been there since before Node 1, many packages live by it, and the tests of every
 * Node that this runs on would notice its end: no connection would be served.
 */
export function handOver(socket: Socket, before: Buffer, take: (descriptor: number, rest: Buffer) => boolean): boolean {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null };
  const descriptor = handle?.fd ?? -1;
  let taken = false;
  if (!socket.destroyed && socket.writableLength === 0 && descriptor >= 0) {
    const behind = socket.read() as Buffer | null;
    taken = take(descriptor, behind === null ? before : Buffer.concat([before, behind]));
  }
  socket.destroy();
  return taken;
}
