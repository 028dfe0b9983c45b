/**
 * The stored results that make requests exactly-once (protocol.md rule 6): per session those at and above
 * `answeredBelow`, in a chain ascending by request number that begins in the session's row.
 */
import { NONE, RecordStore } from "./records.js";
import { SessionRow, type SessionTable } from "./sessions.js";
import { malformed, type WordReader } from "./word-reader.js";
import { ResultWord } from "./words.js";

export class ResultStore {
  readonly records = new RecordStore();
  readonly #sessions: SessionTable;

  constructor(sessions: SessionTable) {
    this.#sessions = sessions;
  }

  /** Results stored, over all sessions. */
  get size(): number {
    return this.records.size;
  }

  /** The first stored result of a session, or -1; `records.next` goes on. */
  firstOf(session: number): number {
    return (this.#sessions.words[session * SessionRow.size + SessionRow.firstResult] as number) | 0;
  }

  /** The stored result of this request, or -1. A new request costs one comparison. */
  find(session: number, request: number): number {
    const last = this.#lastOf(session);
    if (last === NONE || this.records.request(last) < request) return NONE;
    for (let slot = this.firstOf(session); slot !== NONE; slot = this.records.next(slot)) {
      const stored = this.records.request(slot);
      if (stored >= request) return stored === request ? slot : NONE;
    }
    return NONE;
  }

  /** Stores the record at word `at`, whose request must not be stored yet. Returns its slot. */
  store(session: number, source: Uint32Array, at: number, text: Buffer | null): number {
    const { records } = this;
    const slot = records.store(source, at, text);
    const { words } = this.#sessions;
    const row = session * SessionRow.size;
    const last = this.#lastOf(session);
    const request = records.request(slot);
    if (last === NONE || records.request(last) < request) {
      if (last === NONE) words[row + SessionRow.firstResult] = slot;
      else records.setNext(last, slot);
      words[row + SessionRow.lastResult] = slot;
      return slot;
    }
    let before = NONE;
    let after = this.firstOf(session);
    while (records.request(after) < request) {
      before = after;
      after = records.next(after);
    }
    records.setNext(slot, after);
    if (before === NONE) words[row + SessionRow.firstResult] = slot;
    else records.setNext(before, slot);
    return slot;
  }

  /** Drops the results of requests below `request`. */
  dropBelow(session: number, request: number): void {
    const { records } = this;
    const first = this.firstOf(session);
    let slot = first;
    while (slot !== NONE && records.request(slot) < request) {
      const next = records.next(slot);
      records.drop(slot);
      slot = next;
    }
    if (slot === first) return;
    const row = session * SessionRow.size;
    const { words } = this.#sessions;
    words[row + SessionRow.firstResult] = slot;
    if (slot === NONE) words[row + SessionRow.lastResult] = NONE;
  }

  /** Reads into an empty store; the sessions have been read. `records.write` writes. */
  read(input: WordReader): void {
    const { records } = this;
    const sessions = this.#sessions;
    const unclaimed = records.read(input);
    for (let session = 0; session < sessions.slots; session++) {
      if (!sessions.isOpen(session)) continue;
      let before = NONE;
      let request = 0;
      for (let slot = this.firstOf(session); slot !== NONE; slot = records.next(slot)) {
        records.claim(slot, unclaimed);
        if (sessions.find(records.words, records.at(slot) + ResultWord.session) !== session) {
          throw malformed("a stored result is of another session");
        }
        if (records.request(slot) <= request) throw malformed("stored results are not ascending");
        request = records.request(slot);
        before = slot;
      }
      if (before !== this.#lastOf(session)) throw malformed("the last stored result of a session is another one");
    }
    if (unclaimed.left > 0) throw malformed("a stored result is of no session");
  }

  #lastOf(session: number): number {
    return (this.#sessions.words[session * SessionRow.size + SessionRow.lastResult] as number) | 0;
  }
}
