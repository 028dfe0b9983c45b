/**
 * The last result of sessions that are not open: closed ones, and openings that were refused. A client whose answer was
 * lost asks again and must get the same answer; there is no session any more that could keep it. Bounded: the oldest
 * goes first, so after very many other sessions ended a repeat is answered `session-unknown`.
 */
export interface EndedSession {
  /** the request that ended the session */
  readonly request: number;
  /** 128 bytes, blob fields zero */
  readonly record: Buffer;
  readonly text: Buffer;
}

export class EndedSessions {
  readonly #limit: number;
  /** a Map keeps the order of insertion: the first one is the oldest */
  readonly #byKey = new Map<string, EndedSession>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  find(key: string): EndedSession | undefined {
    return this.#byKey.get(key);
  }

  add(key: string, ended: EndedSession): void {
    this.#byKey.delete(key);
    this.#byKey.set(key, ended);
    if (this.#byKey.size <= this.#limit) return;
    const oldest = this.#byKey.keys().next();
    if (oldest.done !== true) this.#byKey.delete(oldest.value);
  }

  delete(key: string): void {
    this.#byKey.delete(key);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Oldest first. */
  entries(): IterableIterator<[string, EndedSession]> {
    return this.#byKey.entries();
  }
}
