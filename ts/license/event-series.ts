/** The events of one Firm Code: how many there were, which are written down, which are lost, and who wrote how far. */
import type { ChainHead } from "./events.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";

/** More firms than a system has; events of further ones go to the series of no firm. */
export const MAX_SERIES = 4096;
/** The twins, and one that took the place of either. */
const MAX_WRITERS = 3;
export const MAX_WRITER_BYTES = 64;
const CHAIN_BYTES = 32;

/** Where in the log an event happened: position of the batch, index of the record in it, and which one of several. */
export interface Identity {
  readonly position: number;
  readonly record: number;
  readonly sub: number;
}

/** True when `a` comes after `b`. */
export function isBehind(a: Identity, b: Identity): boolean {
  if (a.position !== b.position) return a.position > b.position;
  return a.record === b.record ? a.sub > b.sub : a.record > b.record;
}

export function identityText({ position, record, sub }: Identity): string {
  return `${position}.${record}.${sub}`;
}

interface Loss {
  readonly to: number;
  readonly at: Identity;
  readonly timeMs: number;
}

interface Written {
  readonly writer: string;
  readonly lines: number;
  readonly chain: Buffer;
}

export class EventSeries {
  readonly firmCode: number;
  /** number of the newest event */
  assigned = 0;
  /** number of the newest event that is written down, or known to be lost */
  acknowledged = 0;
  #loss: Loss | null = null;
  /** the writer that acknowledged last is the last one */
  #written: Written[] = [];

  constructor(firmCode: number) {
    this.firmCode = firmCode;
  }

  /** Number of the first event that can still wait. */
  get firstPending(): number {
    return (this.#loss?.to ?? this.acknowledged) + 1;
  }

  /** The oldest waiting event goes unwritten. */
  lose(number: number, { position, record, sub }: Identity, timeMs: number): void {
    this.#loss = { to: number, at: { position, record, sub }, timeMs };
  }

  /** What went since the last acknowledgement. */
  loss(): { firmCode: number; from: number; to: number; at: Identity; timeMs: number } | null {
    return this.#loss === null ? null : { firmCode: this.firmCode, from: this.acknowledged + 1, ...this.#loss };
  }

  acknowledgeLoss(upTo: Identity): void {
    if (this.#loss === null || isBehind(this.#loss.at, upTo)) return;
    this.acknowledged = Math.max(this.acknowledged, this.#loss.to);
    this.#loss = null;
  }

  attest(writer: string, { lines, chain }: ChainHead): void {
    const others = this.#written.filter((one) => one.writer !== writer);
    this.#written = [...others.slice(1 - MAX_WRITERS), { writer, lines, chain: Buffer.from(chain) }];
  }

  /** The series as JSON. */
  text(since: number): string {
    const heads = this.#written.map(({ writer, lines, chain }) => ({
      writer,
      lines,
      chain: chain.toString("base64url"),
    }));
    const { firmCode: firm, assigned, acknowledged } = this;
    return JSON.stringify({ firm, assigned, acknowledged, since, heads });
  }

  write(out: WordWriter): void {
    out.u32(this.firmCode);
    out.u64(this.assigned);
    out.u64(this.acknowledged);
    out.u64(this.#loss?.to ?? 0);
    if (this.#loss !== null) {
      const { at, timeMs } = this.#loss;
      out.u64(timeMs);
      out.u64(at.position);
      out.u32(at.record);
      out.u32(at.sub);
    }
    out.u32(this.#written.length);
    for (const { writer, lines, chain } of this.#written) {
      out.block(Buffer.from(writer));
      out.u32(lines);
      out.raw(chain);
    }
  }

  static read(input: WordReader): EventSeries {
    const series = new EventSeries(input.u32());
    series.assigned = input.u64();
    series.acknowledged = input.u64();
    const to = input.u64();
    if (series.acknowledged > series.assigned || to > series.assigned)
      throw malformed("the numbers of a series of events");
    if (to !== 0) {
      if (to <= series.acknowledged) throw malformed("what is lost of a series of events");
      const timeMs = input.u64();
      series.#loss = { to, at: { position: input.u64(), record: input.u32(), sub: input.u32() }, timeMs };
    }
    const writers = input.u32();
    if (writers > MAX_WRITERS) throw malformed(`${writers} writers of events`);
    for (let i = 0; i < writers; i++) {
      const name = input.block();
      const writer = name.toString("utf8");
      const sound = name.length > 0 && name.length <= MAX_WRITER_BYTES && Buffer.from(writer).equals(name);
      if (!sound) throw malformed("the writer of events");
      if (series.#written.some((one) => one.writer === writer)) throw malformed("a writer of events comes twice");
      series.#written.push({ writer, lines: input.u32(), chain: input.raw(CHAIN_BYTES) });
    }
    return series;
  }
}
