/**
 * Reads one series of files and holds every line against the chain, every signature against the key, and the end against
 * the signed head. A fault names its file and line; reading goes on behind it, so that one alteration is one fault.
 */
import { join } from "node:path";
import type { TrackingReader } from "./disk.js";
import type { Findings } from "./findings.js";
import {
  fileName,
  type Head,
  headName,
  linesOf,
  type Members,
  noChain,
  openLine,
  type Range,
  readFileName,
  readHead,
  signedChain,
  signedHead,
} from "./lines.js";
import { isSignedBy } from "./signatures.js";

/** A folder for reading, with the name that faults show. */
export interface NamedReader extends TrackingReader {
  readonly folder: string;
}

/** An event of a series, or a gap in it: `number` is the last one that is lost then. */
export interface Entry {
  readonly firm: number;
  /** since when the system counts: numbers of two such times have nothing to do with each other */
  readonly since: number;
  readonly number: number;
  readonly lost: Range | null;
  readonly members: Members;
  readonly file: string;
  readonly line: number;
}

/** What the TMR system attests of a series: its chain behind so many lines. */
export type Attested = ReadonlyMap<number, string>;

/** The files of one series. */
export interface SeriesFiles {
  readonly reader: NamedReader;
  /** `FIRM.SERVER` */
  readonly name: string;
  readonly files: readonly number[];
}

/** All series in these folders. */
export function findSeries(readers: readonly NamedReader[]): SeriesFiles[] {
  const found: SeriesFiles[] = [];
  for (const reader of readers) {
    const files = new Map<string, number[]>();
    for (const name of reader.list()) {
      const parts = readFileName(name);
      if (parts === null) continue;
      const known = files.get(parts.series) ?? [];
      if (parts.file !== 0) known.push(parts.file);
      files.set(parts.series, known);
    }
    for (const [name, numbers] of files) found.push({ reader, name, files: numbers.sort((a, b) => a - b) });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const noHead: Omit<Head, "firm" | "server"> = {
  first: 1,
  firstLine: 0,
  firstChain: noChain.toString("base64url"),
  removed: [],
  file: 0,
  bytes: 0,
  lines: 0,
  chain: "",
  number: 0,
  at: "",
  since: 0,
  key: "",
};

export class SeriesReader {
  /** null: there is none that can be read */
  readonly head: Head | null;
  readonly firm: number;
  readonly #series: SeriesFiles;
  readonly #keys: readonly string[];
  readonly #attested: Attested;
  readonly #findings: Findings;
  #chain: Buffer;
  /** lines of the series so far */
  #lines: number;
  /** a fault was found: what counts lines says nothing new any more */
  #faulty = false;
  /** the file before is missing, so nothing is known of what the next one follows */
  #skipped = false;
  #since = 0;
  #key = "";

  /** `keys`: whose signatures are right, none = those of the key that the files name. */
  constructor(series: SeriesFiles, keys: readonly string[], attested: Attested, findings: Findings) {
    this.#series = series;
    this.#keys = keys;
    this.#attested = attested;
    this.#findings = findings;
    this.firm = Number(series.name.split(".")[0]);
    this.head = this.#readHead();
    this.#chain = Buffer.from(this.head?.firstChain ?? noHead.firstChain, "base64url");
    this.#lines = this.head?.firstLine ?? 0;
  }

  /** Numbers of events that went with files that were removed by age or size. */
  get removed(): readonly Range[] {
    return this.head?.removed ?? [];
  }

  /** The events and gaps, in the order of their numbers. */
  *entries(): Generator<Entry, void> {
    const { files, name } = this.#series;
    const head = this.head ?? { ...noHead, first: files[0] ?? 1, file: files.at(-1) ?? 0 };
    for (let file = head.first; file <= head.file; file++) {
      if (files.includes(file)) yield* this.#file(file);
      else this.#missing(fileName(name, file));
    }
    for (const file of files) {
      if (file < head.first)
        this.#findings.note(`${this.#path(fileName(name, file))} was to be removed by age or size.`);
      else if (file > head.file) this.#behindEnd(fileName(name, file), 0, head.lines + 1);
    }
    this.#checkEnd();
  }

  #readHead(): Head | null {
    const name = headName(this.#series.name);
    const path = this.#path(name);
    if (!this.#series.reader.list().includes(name)) {
      this.#findings.fault(path, 0, "is missing: whether the end of the series was cut off cannot be told");
      return null;
    }
    const read = readHead(this.#series.reader.read(name));
    if (read === null || read.head.firm !== this.firm) {
      this.#findings.fault(path, 0, "is not a signed end of a series");
      return null;
    }
    this.#checkKey(read.head.key, path, 0);
    const { key } = read.head;
    if (key === "") this.#findings.note(`${path} is not signed: only the chain protects this series.`);
    else if (!isSignedBy(key, signedHead(read.head), read.signature)) {
      this.#findings.fault(path, 0, "is altered: its signature is not right");
    }
    return read.head;
  }

  #checkKey(key: string, path: string, line: number): void {
    if (this.#keys.length === 0 || this.#keys.includes(key)) return;
    this.#findings.fault(
      path,
      line,
      `names the key ${key === "" ? "of nobody" : key}, which is not one that was given`,
    );
  }

  *#file(file: number): Generator<Entry, void> {
    const name = fileName(this.#series.name, file);
    const bytes = this.#series.reader.read(name);
    const isLast = file === this.head?.file;
    const end = isLast ? Math.min(bytes.length, this.head?.bytes ?? 0) : bytes.length;
    let line = 0;
    for (const text of linesOf(bytes.subarray(0, end))) {
      line += 1;
      const members = this.#line(text, name, line);
      const entry = members === null ? null : this.#entryOf(members, name, line, file);
      if (entry !== null) yield entry;
    }
    if (end > 0 && bytes[end - 1] !== 10) this.#cut(name, line);
    if (isLast && bytes.length < (this.head?.bytes ?? 0)) this.#cut(name, line);
    if (isLast && bytes.length > end) this.#behindEnd(name, line + 1, this.#lines + 1);
  }

  #line(text: Buffer, name: string, line: number): Members | null {
    const opened = openLine(this.#chain, text);
    this.#lines += 1;
    if (opened === null) {
      this.#fault(name, line, "is not a line of a tracking file: it is altered or cut off");
      return null;
    }
    const { members, chain, follows } = opened;
    if (!follows && !(line === 1 && this.#skipped)) this.#broken(members, name, line);
    this.#skipped = false;
    if (members["event"] === "signature") this.#checkSignature(members, name, line);
    this.#chain = chain;
    const attested = this.#attested.get(this.#lines);
    if (attested !== undefined && attested !== chain.toString("base64url") && !this.#faulty) {
      this.#fault(name, line, "is not the line that the TMR system attests");
    }
    return members;
  }

  #broken(members: Members, name: string, line: number): void {
    if (line === 1 && typeof members["broken"] === "string") {
      this.#fault(name, line, `begins a new chain: ${members["broken"]}`);
    } else if (line === 1) this.#fault(name, line, "is altered, or its file does not follow the one before it");
    else this.#fault(name, line, "is altered, or does not follow the line before it: one was removed, added or moved");
  }

  #checkSignature(members: Members, name: string, line: number): void {
    const { signature } = members;
    if (typeof signature === "string" && isSignedBy(this.#key, signedChain(this.#chain), signature)) return;
    this.#fault(name, line, "carries a signature that is not right for what is before it");
  }

  #entryOf(members: Members, name: string, line: number, file: number): Entry | null {
    const { event, number, since, from, to } = members;
    if (line === 1) this.#checkHeader(members, name, file);
    if (event === "loss" && typeof since === "number") this.#since = since;
    const at = { firm: this.firm, since: this.#since, members, file: this.#path(name), line };
    if (event === "gap" && typeof from === "number" && typeof to === "number") {
      return { ...at, number: to, lost: [from, to] };
    }
    return typeof number === "number" ? { ...at, number, lost: null } : null;
  }

  #checkHeader(members: Members, name: string, file: number): void {
    const { event, firm, lines, since, key } = members;
    if (event !== "file" || firm !== this.firm || members["file"] !== file) {
      this.#fault(name, 1, `is not the first line of file ${file} of this series`);
    }
    if (typeof key === "string") {
      this.#key = key;
      this.#checkKey(key, this.#path(name), 1);
    }
    if (typeof since === "number") this.#since = since;
    if (typeof lines !== "number") return;
    if (lines !== this.#lines - 1 && !this.#faulty) {
      this.#fault(name, 1, `counts ${lines} lines before it, there are ${this.#lines - 1}`);
    }
    this.#lines = lines + 1;
  }

  #checkEnd(): void {
    const { head } = this;
    if (head === null) return;
    const ends = this.#chain.toString("base64url") === head.chain && this.#lines === head.lines;
    if (!ends && !this.#faulty) {
      this.#fault(fileName(this.#series.name, head.file), 0, "does not end as its signed end says");
    }
    const beyond = [...this.#attested.keys()].filter((lines) => lines > head.lines);
    if (beyond.length > 0) {
      const most = Math.max(...beyond);
      const name = fileName(this.#series.name, head.file);
      this.#fault(name, 0, `is cut off: the TMR system attests ${most} lines of this series, ${head.lines} are here`);
    }
  }

  #missing(name: string): void {
    this.#skipped = true;
    this.#fault(name, 0, "is missing");
  }

  #cut(name: string, line: number): void {
    const { head } = this;
    const count = head === null ? "" : `: the signed end is at line ${head.lines} of the series`;
    if (!this.#faulty) this.#fault(name, line, `is cut off here${count}`);
  }

  /** Lines that the head does not cover: being written just now, if the head goes on; else nobody's. */
  #behindEnd(name: string, line: number, firstLine: number): void {
    const now = readHead(this.#series.reader.read(headName(this.#series.name)))?.head;
    if (now !== undefined && now.lines >= firstLine) return;
    this.#fault(
      name,
      line,
      "lies behind the signed end: written when the server stopped abruptly, or by somebody else",
    );
  }

  #fault(name: string, line: number, what: string): void {
    this.#faulty = true;
    this.#findings.fault(this.#path(name), line, what);
  }

  #path(name: string): string {
    return join(this.#series.reader.folder, name);
  }
}
