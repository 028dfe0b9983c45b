/**
 * The outbox of license tracking: what happened and has not been written down yet. It is part of the replicated state,
 * so a takeover loses nothing of it and doubles nothing. Events are numbered per series (one for each Firm Code) without
 * a break, so a reader of the series sees whether one is missing. The outbox is bounded: when nobody writes down what
 * happened, the oldest events go, and a `gap` in their place says which. Off, it costs one comparison per operation.
 */
import { MAX_RESULT_BLOB_BYTES } from "../wire/result.js";
import { EventSeries, type Identity, identityText, isBehind, MAX_SERIES } from "./event-series.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";

/** First word of each journal entry; the numbers of state.ts lie below. */
const Change = { switched: 101, tracked: 102, acknowledged: 103 } as const;

/** What an event costs besides its text. */
const EVENT_OVERHEAD_BYTES = 64;
const MAX_TEXT_BYTES = 16_384;

interface Pending extends Identity {
  readonly timeMs: number;
  readonly firmCode: number;
  readonly number: number;
  /** a JSON object */
  readonly text: Buffer;
}

/** A part of what is asked for: lines of JSON. */
export interface EventPart {
  readonly text: string;
  /** events that wait behind this part, or where the list of series goes on; 0 = that is all */
  readonly left: number;
}

/** How far a writer has its chain of one series. */
export interface ChainHead {
  readonly firmCode: number;
  readonly lines: number;
  readonly chain: Uint8Array;
}

/** A stretch of time and place: where the batch at hand is. */
export interface Moment {
  readonly position: number;
  readonly calendarMs: number;
}

export class EventLog {
  /** Whether anything is tracked; whoever reports an event asks this first. */
  on = false;
  /** index of the record at hand in its batch */
  record = 0;
  /** calendar time at which this state was first told to track, 0 = never: tells a system that was founded anew */
  #sinceMs = 0;
  readonly #moment: Moment;
  readonly #journal: WordWriter;
  readonly #maxBytes: number;
  readonly #series = new Map<number, EventSeries>();
  /** a queue: the oldest is at {@link #first} */
  #pending: Pending[] = [];
  #first = 0;
  #bytes = 0;
  /** identity of the newest event */
  #last: Identity = { position: 0, record: 0, sub: 0 };

  constructor(moment: Moment, journal: WordWriter, maxBytes: number) {
    this.#moment = moment;
    this.#journal = journal;
    this.#maxBytes = maxBytes;
  }

  /** Events that wait to be written down. */
  get size(): number {
    return this.#pending.length - this.#first;
  }

  /** Turns tracking on or off; each series that there is gets an event about it. */
  switch(on: boolean): void {
    if (on === this.on) return;
    this.#journal.u32(Change.switched);
    this.#journal.u32(on ? 1 : 0);
    this.on = true;
    if (on && this.#sinceMs === 0) this.#sinceMs = Math.max(1, this.#moment.calendarMs);
    for (const firmCode of [0, ...this.#firmCodes().filter((code) => code !== 0)]) {
      this.add(firmCode, { event: "tracking", on });
    }
    this.on = on;
  }

  /** True when events of this Firm Code have a series of their own already. */
  has(firmCode: number): boolean {
    return this.#series.has(firmCode);
  }

  /** Something happened. `firmCode` 0 is the series of what belongs to no firm. */
  add(firmCode: number, event: Readonly<Record<string, unknown>>): void {
    const series = this.#seriesOf(firmCode);
    const { position, calendarMs } = this.#moment;
    const same = this.#last.position === position && this.#last.record === this.record;
    const at = { position, record: this.record, sub: same ? this.#last.sub + 1 : 0 };
    this.#last = at;
    series.assigned += 1;
    const text = Buffer.from(JSON.stringify(event));
    this.#journal.u32(Change.tracked);
    this.#journal.three(series.firmCode, at.record, at.sub);
    this.#journal.block(text);
    const entry = { ...at, timeMs: calendarMs, firmCode: series.firmCode, number: series.assigned, text };
    this.#pending.push(entry);
    this.#bytes += text.length + EVENT_OVERHEAD_BYTES;
    while (this.#bytes > this.#maxBytes) this.#loseOldest();
  }

  /** Everything up to `upTo` is written down by `writer`, whose chains stand at these heads. */
  acknowledge(upTo: Identity, writer: string, heads: readonly ChainHead[]): void {
    this.#journal.u32(Change.acknowledged);
    this.#journal.u64(upTo.position);
    this.#journal.three(upTo.record, upTo.sub, heads.length);
    this.#journal.block(Buffer.from(writer));
    for (let oldest = this.#pending[this.#first]; oldest !== undefined; oldest = this.#pending[this.#first]) {
      if (isBehind(oldest, upTo)) break;
      this.#seriesOf(oldest.firmCode).acknowledged = oldest.number;
      this.#dropOldest(oldest);
    }
    for (const series of this.#series.values()) series.acknowledgeLoss(upTo);
    for (const head of heads) {
      this.#journal.three(head.firmCode, head.lines, 0);
      this.#journal.raw(head.chain);
      this.#series.get(head.firmCode)?.attest(writer, head);
    }
  }

  /** The oldest events, as many as fit into one result; first what was lost before them. */
  read(): EventPart {
    const lost = [...this.#series.values()].flatMap((series) => series.loss() ?? []);
    lost.sort((a, b) => (isBehind(a.at, b.at) ? 1 : -1));
    const lines = new Lines();
    let taken = 0;
    for (const { firmCode, at, timeMs, from, to } of lost) {
      const event = JSON.stringify({ event: "gap", from, to, lost: to - from + 1 });
      if (!lines.add(eventLine({ ...at, timeMs, firmCode, number: to }, event))) return lines.part(this.size + 1);
    }
    for (let i = this.#first; i < this.#pending.length; i++) {
      const entry = this.#pending[i] as Pending;
      if (!lines.add(eventLine(entry, entry.text.toString("utf8")))) break;
      taken += 1;
    }
    return lines.part(this.size - taken);
  }

  /** The series from index `cursor` on, as many as fit: how far each is, and what its writers have. */
  readSeries(cursor: number): EventPart {
    const lines = new Lines();
    const codes = this.#firmCodes();
    for (let index = cursor; index < codes.length; index++) {
      const line = this.#seriesOf(codes[index] as number).text(this.#sinceMs);
      if (!lines.add(line)) return lines.part(index);
    }
    return lines.part(0);
  }

  write(out: WordWriter): void {
    out.u32(this.on ? 1 : 0);
    out.u64(this.#sinceMs);
    out.u64(this.#last.position);
    out.u32(this.#last.record);
    out.u32(this.#last.sub);
    const codes = this.#firmCodes();
    out.u32(codes.length);
    for (const code of codes) this.#seriesOf(code).write(out);
    out.u32(this.size);
    for (let i = this.#first; i < this.#pending.length; i++) {
      const { position, record, sub, timeMs, firmCode, text } = this.#pending[i] as Pending;
      out.u64(position);
      out.u64(timeMs);
      out.three(record, sub, firmCode);
      out.block(text);
    }
  }

  /** Reads into an empty log. */
  restore(input: WordReader): void {
    const on = input.u32();
    if (on > 1) throw malformed("tracking is neither on nor off");
    this.on = on === 1;
    this.#sinceMs = input.u64();
    this.#last = { position: input.u64(), record: input.u32(), sub: input.u32() };
    if (this.#last.position > this.#moment.position) throw malformed("an event is newer than the state");
    const count = input.u32();
    if (count > MAX_SERIES) throw malformed(`${count} series of events`);
    let before = -1;
    for (let i = 0; i < count; i++) {
      const series = EventSeries.read(input);
      if (series.firmCode <= before) throw malformed("the series of events are out of order");
      before = series.firmCode;
      this.#series.set(series.firmCode, series);
    }
    this.#readPending(input);
  }

  #readPending(input: WordReader): void {
    const next = new Map([...this.#series.values()].map((series) => [series.firmCode, series.firstPending]));
    let before: Identity = { position: 0, record: 0, sub: -1 };
    for (let count = input.count(8); count > 0; count--) {
      const position = input.u64();
      const timeMs = input.u64();
      const at = { position, record: input.u32(), sub: input.u32() };
      const firmCode = input.u32();
      const text = input.block();
      const number = next.get(firmCode);
      if (number === undefined || text.length === 0 || text.length > MAX_TEXT_BYTES) throw malformed("an event");
      if (!isBehind(at, before) || isBehind(at, this.#last)) throw malformed("the events are out of order");
      before = at;
      next.set(firmCode, number + 1);
      this.#pending.push({ ...at, timeMs, firmCode, number, text });
      this.#bytes += text.length + EVENT_OVERHEAD_BYTES;
    }
    if (this.#bytes > this.#maxBytes) throw malformed(`${this.#bytes} bytes of events`);
    for (const series of this.#series.values()) {
      if (next.get(series.firmCode) !== series.assigned + 1) throw malformed("an event is missing");
    }
  }

  #firmCodes(): number[] {
    return [...this.#series.keys()].sort((a, b) => a - b);
  }

  #seriesOf(firmCode: number): EventSeries {
    const known = this.#series.get(firmCode);
    if (known !== undefined) return known;
    // The series of no firm has a place of its own, so there is always one to fall back to.
    if (firmCode !== 0 && this.#series.size >= MAX_SERIES - 1) return this.#seriesOf(0);
    const series = new EventSeries(firmCode);
    this.#series.set(firmCode, series);
    return series;
  }

  #loseOldest(): void {
    const oldest = this.#pending[this.#first] as Pending;
    this.#seriesOf(oldest.firmCode).lose(oldest.number, oldest, oldest.timeMs);
    this.#dropOldest(oldest);
  }

  #dropOldest(oldest: Pending): void {
    this.#bytes -= oldest.text.length + EVENT_OVERHEAD_BYTES;
    this.#first += 1;
    // The front is cut off when it is half of the whole, so that a queue that is never empty does not grow.
    if (this.#first * 2 < this.#pending.length && this.#first !== this.#pending.length) return;
    this.#pending = this.#pending.slice(this.#first);
    this.#first = 0;
  }
}

function eventLine(entry: Omit<Pending, "text">, text: string): string {
  const { firmCode, number, timeMs } = entry;
  return `{"firm":${firmCode},"number":${number},"at":"${identityText(entry)}","time":${timeMs},"what":${text}}`;
}

/** Lines up to the size of one result. */
class Lines {
  readonly #lines: string[] = [];
  #bytes = 0;

  /** False: it does not fit any more. */
  add(line: string): boolean {
    const bytes = Buffer.byteLength(line) + 1;
    if (this.#bytes + bytes > MAX_RESULT_BLOB_BYTES) return false;
    this.#bytes += bytes;
    this.#lines.push(line);
    return true;
  }

  part(left: number): EventPart {
    return { text: this.#lines.map((line) => `${line}\n`).join(""), left };
  }
}
