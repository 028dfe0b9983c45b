/**
 * Writes down what the replicated outbox of events holds, one series of files per Firm Code, and says what may be
 * acknowledged: only what is durable. Whatever fails or dies in between comes again and is written once.
 */
import { TmrError } from "../errors.js";
import type { TrackingDisk } from "./disk.js";
import { type Members, parseObject } from "./lines.js";
import { beginSeries, recover } from "./recover.js";
import type { SeriesOptions, SeriesWriter } from "./series-writer.js";

/** What may be acknowledged: an event, and the chains of the series as they are now. */
export interface Acknowledgement {
  readonly position: number;
  readonly record: number;
  readonly sub: number;
  readonly blob: Buffer;
}

interface ToldSeries {
  readonly firm: number;
  readonly assigned: number;
  readonly acknowledged: number;
  readonly since: number;
  readonly heads: readonly { readonly writer: string; readonly lines: number; readonly chain: string }[];
}

interface ToldEvent {
  readonly firm: number;
  readonly number: number;
  readonly at: string;
  readonly time: number;
  readonly what: Members;
}

const HEAD_BYTES = 40;

export class TrackingWriter {
  readonly #disk: TrackingDisk;
  readonly #options: SeriesOptions;
  readonly #series: Map<number, SeriesWriter>;
  /** series whose chains the system has not been told */
  readonly #untold = new Set<number>();
  #since = 0;
  #serving = false;

  /** Reads what the folder has. Throws ERR_TMR_FILE when it cannot be read or mended. */
  constructor(disk: TrackingDisk, options: SeriesOptions) {
    this.#disk = disk;
    this.#options = options;
    this.#series = recover(disk, options);
  }

  /** This server writes from now on: `series` is what the system says of each, one JSON object per line. */
  begin(series: string, nowMs: number): void {
    for (const told of readLines<ToldSeries>(series)) this.#beginOne(told, nowMs);
    this.#serving = true;
    this.#commit(nowMs);
  }

  #beginOne({ firm, assigned, acknowledged, since, heads }: ToldSeries, nowMs: number): void {
    this.#since = since;
    const writer = this.#of(firm);
    const { number, since: before } = writer.head;
    const lost = before !== 0 && (before !== since || number > assigned);
    if (before === 0) writer.countSince(since, 0);
    const { server } = this.#options;
    const last = heads.at(-1)?.writer ?? server;
    const from = last === server ? {} : { from: last };
    writer.note({ event: last === server ? "started" : "takeover", server, ...from }, nowMs);
    if (lost) {
      // An operator accepted a loss, or the system was founded anew: it counts again from an earlier number.
      writer.note({ event: "loss", written: number, assigned, since }, nowMs);
      writer.countSince(since, acknowledged);
    }
    for (const { writer: who, lines, chain } of heads) {
      writer.note({ event: "attested", server: who, lines, of: chain }, nowMs);
    }
  }

  /** Writes the events that the system told, durably. Null when there were none. */
  take(events: string, nowMs: number): Acknowledgement | null {
    let last = "";
    for (const { firm, number, at, time, what } of readLines<ToldEvent>(events)) {
      const writer = this.#of(firm);
      last = at;
      if (what["event"] === "gap") writer.gap(what["from"] as number, what["to"] as number, at, time, nowMs);
      else writer.event(number, at, time, what, nowMs);
    }
    if (last === "") return null;
    this.#commit(nowMs);
    return this.#acknowledgement(last);
  }

  /** From time to time: signatures that are due. */
  tick(nowMs: number): void {
    for (const writer of this.#series.values()) writer.sign(nowMs);
    this.#commit(nowMs);
  }

  /** This server does not write any more, for now or for good. */
  end(why: "stopped" | "passive", nowMs: number): void {
    if (!this.#serving) return;
    this.#serving = false;
    for (const writer of this.#series.values()) {
      writer.note({ event: why, server: this.#options.server }, nowMs);
      writer.sign(nowMs, true);
    }
    this.#commit(nowMs);
  }

  #of(firm: number): SeriesWriter {
    const known = this.#series.get(firm);
    if (known !== undefined) return known;
    const writer = beginSeries(this.#disk, this.#options, firm);
    if (this.#since !== 0) writer.countSince(this.#since, 0);
    this.#series.set(firm, writer);
    return writer;
  }

  #commit(nowMs: number): void {
    for (const [firm, writer] of this.#series) {
      if (!writer.dirty) continue;
      writer.commit(nowMs);
      this.#untold.add(firm);
    }
  }

  #acknowledgement(at: string): Acknowledgement {
    const [position = 0, record = 0, sub = 0] = at.split(".").map(Number);
    const name = Buffer.from(this.#options.server);
    const parts = [Buffer.from([name.length]), name];
    for (const firm of this.#untold) {
      const { lines } = this.#of(firm).head;
      const entry = Buffer.alloc(HEAD_BYTES);
      entry.writeUInt32LE(firm, 0);
      entry.writeUInt32LE(lines, 4);
      entry.set(this.#of(firm).chain, 8);
      parts.push(entry);
    }
    this.#untold.clear();
    return { position, record, sub, blob: Buffer.concat(parts) };
  }
}

/** What two upstreams told alike has the form that it must have; anything else is a fault of this program. */
function readLines<T>(text: string): T[] {
  return text.split("\n").flatMap((line) => {
    if (line === "") return [];
    const value = parseObject(line);
    if (value === null) throw new TmrError("ERR_TMR_PROTOCOL", `tracking: expected a JSON object, received ${line}`);
    return [value as T];
  });
}
