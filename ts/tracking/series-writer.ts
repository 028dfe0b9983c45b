/**
 * Writes one series: lines into files, each file behind the one before. Nothing counts before {@link SeriesWriter.commit}
 * has made the lines durable and then replaced the head, which says where the series ends. After a failed commit the
 * writer is of no use any more: what the disk has is read again (recover.ts).
 */
import type { TrackingDisk } from "./disk.js";
import {
  addRange,
  FORMAT,
  fileName,
  type Head,
  headBytes,
  headName,
  linesOf,
  type Members,
  noChain,
  openLine,
  type Range,
  sealLine,
  seriesName,
  signedChain,
  signedHead,
} from "./lines.js";

/** What all series of one server have in common. */
export interface SeriesOptions {
  /** name and address of the server that writes, and what it serves */
  readonly server: string;
  readonly address: string;
  readonly system: string;
  /** base64url public key, "" with `sign` null */
  readonly key: string;
  readonly sign: ((bytes: Uint8Array) => Buffer) | null;
  readonly maxFileBytes: number;
  /** files whose last event is older go, 0 = never */
  readonly maxAgeDays: number;
  /** bytes of one series; the oldest files go beyond it, 0 = no limit */
  readonly maxSeriesBytes: number;
  /** users, hosts and stations are replaced by this, if it is there */
  readonly pseudonym: ((name: string) => string) | null;
}

const DAY_MS = 86_400_000;
const SECONDS_2000 = Date.UTC(2000, 0, 1) / 1_000;
const MAX_TIME_MS = 253_402_300_799_999;
/** A signature stands in the files at least this often, besides the signed head. */
const LINES_PER_SIGNATURE = 1_000;
const SIGNATURE_INTERVAL_MS = 60_000;
/** With a retention shorter than this, files hold a day, else a month. */
const SHORT_AGE_DAYS = 60;

export function utc(ms: number): string {
  return new Date(Math.min(ms, MAX_TIME_MS)).toISOString();
}

export class SeriesWriter {
  readonly #disk: TrackingDisk;
  readonly #options: SeriesOptions;
  readonly #name: string;
  #head: Head;
  /** when the present file begins, null = it has no line yet */
  #fileFromMs: number | null;
  /** said in the next header: why the chain does not go on */
  #broken: string | null;
  readonly #unwritten = new Map<number, Buffer[]>();
  #unsigned = 0;
  #signedAtMs = 0;
  #checkedDay = "";

  constructor(
    disk: TrackingDisk,
    options: SeriesOptions,
    head: Head,
    fileFromMs: number | null,
    broken: string | null,
  ) {
    this.#disk = disk;
    this.#options = options;
    this.#head = head;
    this.#name = seriesName(head.firm, options.server);
    this.#fileFromMs = fileFromMs;
    this.#broken = broken;
  }

  /** How far it has written, what is not committed included. */
  get head(): Head {
    return this.#head;
  }

  get chain(): Buffer {
    return Buffer.from(this.#head.chain, "base64url");
  }

  /** True while lines wait for {@link commit}. */
  get dirty(): boolean {
    return this.#unwritten.size > 0;
  }

  /** The system counts since this moment. */
  countSince(since: number, number: number): void {
    this.#head = { ...this.#head, since, number };
  }

  /** An event of the system, at its place in the log; one that was written before is passed over. */
  event(number: number, at: string, timeMs: number, what: Members, nowMs: number): void {
    if (number <= this.#head.number) return;
    this.#line({ time: utc(timeMs), number, ...this.#pseudonymised(what), at }, nowMs);
    this.#head = { ...this.#head, number, at };
  }

  /** Events went unwritten, because nobody wrote for too long. */
  gap(from: number, to: number, at: string, timeMs: number, nowMs: number): void {
    const first = Math.max(from, this.#head.number + 1);
    if (first > to) return;
    this.#line({ time: utc(timeMs), event: "gap", from: first, to, lost: to - first + 1, at }, nowMs);
    this.#head = { ...this.#head, number: to, at };
  }

  /** Something about the server itself. */
  note(members: Members, nowMs: number): void {
    this.#line({ time: utc(nowMs), ...members }, nowMs);
  }

  /** A signature when one is due; at the end of service, or of a file, in any case. */
  sign(nowMs: number, anyway = false): void {
    const { sign } = this.#options;
    const due = this.#unsigned >= LINES_PER_SIGNATURE || nowMs - this.#signedAtMs >= SIGNATURE_INTERVAL_MS;
    if (sign === null || this.#unsigned === 0 || !(due || anyway)) return;
    const signature = sign(signedChain(this.chain)).toString("base64url");
    this.#append({ time: utc(nowMs), event: "signature", signature });
    this.#unsigned = 0;
    this.#signedAtMs = nowMs;
  }

  /** Makes everything durable, then counts it. Files that are too old or too many go after that. */
  commit(nowMs: number): void {
    if (!this.dirty) return;
    const gone = this.#retire(nowMs);
    for (const [file, chunks] of this.#unwritten) {
      const name = fileName(this.#name, file);
      this.#disk.append(name, Buffer.concat(chunks));
      this.#disk.sync(name);
    }
    this.#unwritten.clear();
    const { sign } = this.#options;
    const signature = sign === null ? "" : sign(signedHead(this.#head)).toString("base64url");
    this.#disk.replace(headName(this.#name), headBytes(this.#head, signature));
    for (const name of gone) this.#disk.remove(name);
  }

  #pseudonymised(what: Members): Members {
    const { pseudonym } = this.#options;
    if (pseudonym === null) return what;
    const hide = ([key, value]: [string, unknown]): [string, unknown] =>
      (key === "user" || key === "host" || key === "station") && typeof value === "string"
        ? [key, pseudonym(value)]
        : [key, value];
    return Object.fromEntries(Object.entries(what).map(hide));
  }

  #line(members: Members, nowMs: number): void {
    if (this.#fileFromMs !== null && this.#isFull(this.#fileFromMs, nowMs)) {
      this.sign(nowMs, true);
      this.#head = { ...this.#head, file: this.#head.file + 1, bytes: 0 };
      this.#fileFromMs = null;
    }
    if (this.#fileFromMs === null) this.#header(nowMs);
    this.#append(members);
    this.#unsigned += 1;
    this.sign(nowMs);
  }

  #isFull(fromMs: number, nowMs: number): boolean {
    const { maxAgeDays, maxFileBytes } = this.#options;
    const length = maxAgeDays > 0 && maxAgeDays < SHORT_AGE_DAYS ? "2000-01-01".length : "2000-01".length;
    return this.#head.bytes >= maxFileBytes || utc(fromMs).slice(0, length) !== utc(nowMs).slice(0, length);
  }

  #header(nowMs: number): void {
    const { server, address, system, key, pseudonym } = this.#options;
    const { firm, file, lines, since } = this.#head;
    this.#fileFromMs = nowMs;
    const logId = Math.max(0, Math.floor(nowMs / 1_000) - SECONDS_2000);
    const about = { format: FORMAT, firm, system, server, address, logId, file, lines, since, key };
    const pseudonyms = pseudonym === null ? {} : { pseudonyms: true };
    const broken = this.#broken === null ? {} : { broken: this.#broken };
    this.#broken = null;
    this.#append({ time: utc(nowMs), event: "file", ...about, ...pseudonyms, ...broken });
    if (this.#signedAtMs === 0) this.#signedAtMs = nowMs;
  }

  #append(members: Members): void {
    const { bytes, chain } = sealLine(this.chain, members);
    const { file } = this.#head;
    const chunks = this.#unwritten.get(file);
    if (chunks === undefined) this.#unwritten.set(file, [bytes]);
    else chunks.push(bytes);
    this.#head = {
      ...this.#head,
      bytes: this.#head.bytes + bytes.length,
      lines: this.#head.lines + 1,
      chain: chain.toString("base64url"),
    };
  }

  // ---- retention ---------------------------------------------------------------------------------------------------

  /** Decides which of the oldest files go, and says so in the series; looks once a day and at each new file. */
  #retire(nowMs: number): string[] {
    const { maxAgeDays, maxSeriesBytes } = this.#options;
    const day = `${utc(nowMs).slice(0, 10)} ${this.#head.file}`;
    if (day === this.#checkedDay || (maxAgeDays === 0 && maxSeriesBytes === 0)) return [];
    this.#checkedDay = day;
    const gone: string[] = [];
    let bytes = this.#bytesOfFiles();
    for (let { first } = this.#head; first < this.#head.file; first++) {
      const name = fileName(this.#name, first);
      const after = this.#firstLineOf(first + 1);
      const size = this.#unwritten.has(first) ? 0 : this.#disk.size(name);
      const old = maxAgeDays > 0 && after !== null && nowMs - after.fromMs > maxAgeDays * DAY_MS;
      const large = maxSeriesBytes > 0 && bytes > maxSeriesBytes;
      if (after === null || this.#unwritten.has(first) || !(old || large)) break;
      const numbers = this.#numbersOf(name);
      this.note({ event: "retention", removed: name, why: old ? "age" : "size", numbers }, nowMs);
      const removed = [...this.#head.removed];
      for (const range of numbers) addRange(removed, range);
      const { firstLine, chain } = after;
      this.#head = { ...this.#head, first: first + 1, firstLine, firstChain: chain, removed };
      gone.push(name);
      bytes -= size;
    }
    return gone;
  }

  #bytesOfFiles(): number {
    let { bytes } = this.#head;
    for (let { first: file } = this.#head; file < this.#head.file; file++) {
      if (!this.#unwritten.has(file)) bytes += this.#disk.size(fileName(this.#name, file));
    }
    return bytes;
  }

  /** When a file begins, and the lines and the chain before it; null when that cannot be told. */
  #firstLineOf(file: number): { fromMs: number; firstLine: number; chain: string } | null {
    const pending = this.#unwritten.get(file)?.[0];
    const bytes = pending ?? this.#disk.read(fileName(this.#name, file));
    const opened = openLine(noChain, bytes.subarray(0, Math.max(0, bytes.indexOf(10))));
    const { time, lines } = opened?.members ?? {};
    const chain = this.#chainBefore(file);
    if (typeof time !== "string" || typeof lines !== "number" || chain === null) return null;
    return { fromMs: Date.parse(time), firstLine: lines, chain };
  }

  /** The chain at the end of the file before. */
  #chainBefore(file: number): string | null {
    const bytes = this.#disk.read(fileName(this.#name, file - 1));
    const from = bytes.lastIndexOf(10, bytes.length - 2) + 1;
    return openLine(noChain, bytes.subarray(from, bytes.length - 1))?.chain.toString("base64url") ?? null;
  }

  /** Numbers of the events in a file, and of those that it says are lost. */
  #numbersOf(name: string): Range[] {
    const ranges: Range[] = [];
    for (const line of linesOf(this.#disk.read(name))) {
      const { number, event, from, to } = openLine(noChain, line)?.members ?? {};
      if (typeof number === "number") addRange(ranges, [number, number]);
      else if (event === "gap" && typeof from === "number" && typeof to === "number") addRange(ranges, [from, to]);
    }
    return ranges;
  }
}
