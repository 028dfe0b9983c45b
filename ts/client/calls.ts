/**
 * The requests of one session: those that wait for a number and those that are outstanding. A number is given at the
 * first sending, so numbers have no gaps, and it stays with the request until there is a final answer: that, and the
 * server's memory of it, make every request exactly-once.
 */
import type { Call, CallFields, Fault } from "./types.js";

/** Numbers from the lowest outstanding one on that the server remembers answers for. */
export const WINDOW = 256;

export interface Pending {
  /** 0: the core's own request, nobody waits for it */
  id: number;
  readonly fields: CallFields;
  readonly blob: Uint8Array | null;
  readonly durationMs: number;
  deadlineMs: number;
  /** 0 while queued */
  number: number;
  /** -1 before */
  firstSentMs: number;
  /** the connection on which its answer is awaited, 0: none */
  sentOn: number;
  /** not to be sent (again) on the connection `heldOn` before this time; on any other one at once */
  retryAtMs: number;
  heldOn: number;
  attempts: number;
  /** the latest reason why it was not carried out */
  fault: Fault | null;
}

export function newPending(fields: CallFields, call?: Pick<Call, "id" | "deadlineMs">, blob?: Uint8Array): Pending {
  return {
    id: call?.id ?? 0,
    fields,
    blob: blob ?? fields.blob ?? null,
    durationMs: fields.durationMs ?? 0,
    deadlineMs: call?.deadlineMs ?? Number.POSITIVE_INFINITY,
    number: 0,
    firstSentMs: -1,
    sentOn: 0,
    retryAtMs: 0,
    heldOn: 0,
    attempts: 0,
    fault: null,
  };
}

export class Calls {
  #queue: Pending[] = [];
  /** in the order of their numbers */
  readonly #outstanding = new Map<number, Pending>();
  #nextNumber = 1;
  /** no call has an earlier deadline; may be too early, never too late */
  #nextDeadlineMs = Number.POSITIVE_INFINITY;

  get queued(): number {
    return this.#queue.length;
  }

  get outstanding(): IterableIterator<Pending> {
    return this.#outstanding.values();
  }

  get outstandingCount(): number {
    return this.#outstanding.size;
  }

  get nextDeadlineMs(): number {
    return this.#nextDeadlineMs;
  }

  /** Every request below this number has been answered. */
  get answeredBelow(): number {
    for (const number of this.#outstanding.keys()) return number;
    return this.#nextNumber;
  }

  enqueue(pending: Pending): void {
    this.#queue.push(pending);
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, pending.deadlineMs);
  }

  /** Gives a number at once, ahead of what is queued: for the core's own requests. */
  insert(pending: Pending): Pending {
    pending.number = this.#nextNumber++;
    this.#outstanding.set(pending.number, pending);
    return pending;
  }

  /** Gives numbers to what is queued, as far as the window allows. */
  admit(): void {
    const room = this.answeredBelow + WINDOW - this.#nextNumber;
    if (room <= 0 || this.#queue.length === 0) return;
    for (const pending of this.#queue.splice(0, room)) this.insert(pending);
  }

  find(number: number): Pending | undefined {
    return this.#outstanding.get(number);
  }

  findById(id: number): Pending | undefined {
    const same = (pending: Pending): boolean => pending.id === id;
    return this.#queue.find(same) ?? [...this.#outstanding.values()].find(same);
  }

  remove(pending: Pending): void {
    if (pending.number !== 0) this.#outstanding.delete(pending.number);
    else this.#queue = this.#queue.filter((other) => other !== pending);
  }

  /** The calls whose deadline has passed. They stay where they are. */
  overdue(nowMs: number): Pending[] {
    if (nowMs < this.#nextDeadlineMs) return [];
    const all = [...this.#outstanding.values(), ...this.#queue];
    this.#nextDeadlineMs = Number.POSITIVE_INFINITY;
    for (const { id, deadlineMs } of all) {
      if (id !== 0 && deadlineMs > nowMs) this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, deadlineMs);
    }
    return all.filter((pending) => pending.id !== 0 && pending.deadlineMs <= nowMs);
  }

  /** Takes out the queued calls of one kind. */
  takeQueued(kind: number): Pending[] {
    const taken = this.#queue.filter(({ fields }) => fields.kind === kind);
    if (taken.length > 0) this.#queue = this.#queue.filter(({ fields }) => fields.kind !== kind);
    return taken;
  }

  /** Empties both lists; outstanding ones first. */
  takeAll(): Pending[] {
    const all = [...this.#outstanding.values(), ...this.#queue];
    this.#outstanding.clear();
    this.#queue = [];
    this.#nextDeadlineMs = Number.POSITIVE_INFINITY;
    return all;
  }

  /** A new session: numbers begin at 1 again. Returns what {@link takeAll} does. */
  restart(): Pending[] {
    this.#nextNumber = 1;
    return this.takeAll();
  }

  /** When the next request is to be repeated on its connection. */
  nextRetryMs(nowMs: number): number {
    let at = Number.POSITIVE_INFINITY;
    for (const pending of this.#outstanding.values()) {
      if (pending.retryAtMs > nowMs) at = Math.min(at, pending.retryAtMs);
    }
    return at;
  }
}
