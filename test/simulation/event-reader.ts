/**
 * Writes down what is tracked, as a server's tracking does, and knows what must be: no event is lost, none comes twice,
 * and of every seat that is taken or given there is one.
 */
import { eventText } from "./model.js";

/** What the reader needs of the observer. */
export interface Watched {
  /** by position, what must be tracked there */
  readonly model: { readonly tracked: Map<number, string[]> };
  fail(invariant: string, what: string): never;
}

interface Line {
  readonly firm: number;
  readonly number: number;
  readonly at: string;
  readonly what: {
    readonly event: string;
    readonly handle?: number;
    readonly cause?: string;
    readonly status?: string;
  };
}

/** Told of the system itself: the oracle has no word of them. */
const ofSystem = new Set(["tracking", "license"]);
const WRITER = "sim";

export class EventReader {
  readonly #observer: Watched;
  readonly #written = new Map<string, string>();
  readonly #numbers = new Map<number, number>();
  #last: readonly [number, number, number] = [0, 0, -1];

  constructor(observer: Watched) {
    this.#observer = observer;
  }

  /** The fields by which the next question says what is written down. */
  acknowledgement(): { handle: number; cursor: number; quantity: number; blob: Buffer } | Record<string, never> {
    const [position, record, sub] = this.#last;
    if (position === 0) return {};
    const blob = Buffer.concat([Buffer.from([WRITER.length]), Buffer.from(WRITER)]);
    return { handle: position, cursor: record, quantity: sub, blob };
  }

  /** Takes an answer. True: it was empty, so all was read. */
  take(text: string): boolean {
    const lines = text.split("\n").filter((line) => line !== "");
    for (const line of lines) this.#take(line);
    return lines.length === 0;
  }

  #take(line: string): void {
    const { firm, number, at, what } = JSON.parse(line) as Line;
    const written = this.#written.get(at);
    if (written === line) return;
    if (written !== undefined) this.#observer.fail("E1", `event ${at} was ${written} and is ${line}`);
    const [position = 0, record = 0, sub = 0] = at.split(".").map(Number);
    const [lastPosition, lastRecord, lastSub] = this.#last;
    const isBehind = position - lastPosition || record - lastRecord || sub - lastSub;
    if (isBehind <= 0) this.#observer.fail("E1", `event ${at} comes after ${this.#last.join(".")}`);
    if (number !== (this.#numbers.get(firm) ?? 0) + 1) {
      this.#observer.fail("E2", `event ${at} of series ${firm} has number ${number} after ${this.#numbers.get(firm)}`);
    }
    this.end(position - 1);
    this.#written.set(at, line);
    this.#numbers.set(firm, number);
    this.#last = [position, record, sub];
    if (ofSystem.has(what.event)) return;
    // The handle of a refusal is what the client named, if it did.
    const handle = what.event === "refusal" ? 0 : (what.handle ?? 0);
    const expected = this.#observer.model.tracked.get(position) ?? [];
    const place = expected.indexOf(eventText(what.event, handle, what.cause ?? what.status ?? ""));
    if (place === -1) this.#observer.fail("E2", `nothing happened at ${at} that says ${line}`);
    expected.splice(place, 1);
  }

  /** All events up to this position have been read. */
  end(position: number): void {
    const { tracked } = this.#observer.model;
    for (const [at, texts] of tracked) {
      if (at > position) return;
      if (texts.length > 0) this.#observer.fail("E2", `of ${at} no event says ${texts.join(", ")}`);
      tracked.delete(at);
    }
  }
}
