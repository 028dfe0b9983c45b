/**
 * Connections whose handshake is under way. When there are too many, the one that has been waiting longest gives way to
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
