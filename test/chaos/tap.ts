/**
 * What a program is not told, but a history needs: the log position in which an answer was carried, and which session
 * gave it. Read from the messages on their way into the client library, which stays as it is.
 */
import type { Dialer } from "../../ts/client/dialer.js";
import { decodeResults } from "../../ts/client/packet.js";
import { isRetryable, Kind } from "../../ts/wire/kinds.js";
import type { Operation } from "./history.js";

interface Seen {
  readonly session: number;
  readonly request: number;
  readonly position: number;
}

const kinds: Readonly<Record<Operation, number>> = {
  open: Kind.openSession,
  access: Kind.access,
  release: Kind.release,
  info: Kind.info,
  items: Kind.items,
  close: Kind.closeSession,
};

export class AnswerTap {
  readonly #sessions = new Map<string, number>();
  readonly #latest = new Map<number, Seen>();

  /** The number of the latest session that was opened, from 1; 0 before. */
  get session(): number {
    return this.#sessions.size;
  }

  /**
   * Position of the latest request of this kind that has its final answer. For a client that waits for each answer
   * before it asks again, that is the one that was just settled.
   */
  positionOf(operation: Operation): number | null {
    const seen = this.#latest.get(kinds[operation]);
    return seen === undefined || seen.session !== this.session || seen.position === 0 ? null : seen.position;
  }

  wrap(dial: Dialer): Dialer {
    return (server, handlers, signal) =>
      dial(
        server,
        {
          message: (message) => {
            this.#take(message);
            handlers.message(message);
          },
          closed: (why) => handlers.closed(why),
        },
        signal,
      );
  }

  #take(message: Uint8Array): void {
    for (const { result } of decodeResults(message) ?? []) {
      if (isRetryable(result.status)) continue;
      const key = Buffer.from(result.session).toString("hex");
      if (result.kind === Kind.openSession && !this.#sessions.has(key)) this.#sessions.set(key, this.session + 1);
      const session = this.#sessions.get(key);
      if (session === undefined) continue;
      const before = this.#latest.get(result.kind);
      // A repetition may be answered twice; the second answer is nobody's.
      if (
        before !== undefined &&
        (before.session > session || (before.session === session && before.request >= result.request))
      )
        continue;
      this.#latest.set(result.kind, { session, request: result.request, position: result.mark });
    }
  }
}
