/**
 * Connections that have not yet shown who they are. When there are too many, the one that has been waiting longest gives way to
 * the new one: so peers that never finish theirs cannot keep the others out until their time is over.
 */
import type { Socket } from "node:net";

export class HalfOpen {
  readonly #sockets = new Set<Socket>();

  get size(): number {
    return this.#sockets.size;
  }

  add(socket: Socket): void {
    this.#sockets.add(socket);
  }

  delete(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  /**
   * For a handshake that anybody could have recorded and played again: holds the connection until the peer has sealed
   * something, which only the genuine one can. Call the result then, or when the connection has closed; if that is not
   * within the time, the connection is destroyed.
   */
  hold(socket: Socket, timeoutMs: number): () => void {
    const late = setTimeout(() => socket.destroy(), timeoutMs);
    this.#sockets.add(socket);
    return () => {
      clearTimeout(late);
      this.#sockets.delete(socket);
    };
  }

  /** Destroys the one that has been waiting longest; false when there is none. */
  dropOldest(): boolean {
    const [oldest] = this.#sockets;
    if (oldest === undefined) return false;
    this.#sockets.delete(oldest);
    oldest.destroy();
    return true;
  }

  destroyAll(): void {
    while (this.dropOldest());
  }
}
