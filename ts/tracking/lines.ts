/**
 * The form of tracking files: one JSON object per line, whose last member `chain` is SHA-256(chain before it ‖ the line
 * without that member). So every line vouches for all before it, over the borders of files too. Signatures cover a chain.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "../wire/canonical.js";

export const FORMAT = "tmr-tracking/1";
const HEAD_FORMAT = "tmr-tracking-head/1";
export const CHAIN_BYTES = 32;
export const noChain = Buffer.alloc(CHAIN_BYTES);

const CHAIN_MEMBER = ',"chain":"';
const CHAIN_CHARACTERS = 43;
const END_LENGTH = CHAIN_MEMBER.length + CHAIN_CHARACTERS + 2;
const signatureDomain = Buffer.from("tmr-tracking-signature/1\n");
const headDomain = Buffer.from("tmr-tracking-head/1\n");

/** The members of a line, `chain` excepted. */
export type Members = Readonly<Record<string, unknown>>;

/** A line with its chain, and the chain after it. */
export function sealLine(before: Uint8Array, members: Members): { readonly bytes: Buffer; readonly chain: Buffer } {
  const body = Buffer.from(safeJson(members).slice(0, -1));
  const chain = chainAfter(before, body);
  return { bytes: Buffer.concat([body, Buffer.from(`${CHAIN_MEMBER}${chain.toString("base64url")}"}\n`)]), chain };
}

function chainAfter(before: Uint8Array, body: Uint8Array): Buffer {
  return createHash("sha256").update(before).update(body).digest();
}

/** JSON that does not move the cursor of a terminal: names come from anybody. */
function safeJson(members: Members): string {
  return JSON.stringify(members).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

/** What a line says, without its newline. `chain` is what the line claims; `follows` whether that is true. */
export interface OpenedLine {
  readonly members: Members;
  readonly chain: Buffer;
  readonly follows: boolean;
}

/** Reads a line; null when it has not the form of one. */
export function openLine(before: Uint8Array, line: Buffer): OpenedLine | null {
  const at = line.length - END_LENGTH;
  if (at < 1 || line.toString("latin1", at, at + CHAIN_MEMBER.length) !== CHAIN_MEMBER) return null;
  if (line.toString("latin1", line.length - 2) !== '"}') return null;
  const text = line.toString("latin1", at + CHAIN_MEMBER.length, line.length - 2);
  const chain = Buffer.from(text, "base64url");
  if (chain.length !== CHAIN_BYTES || chain.toString("base64url") !== text) return null;
  const body = line.subarray(0, at);
  const members = parseObject(`${body.toString("utf8")}}`);
  return members === null ? null : { members, chain, follows: chainAfter(before, body).equals(chain) };
}

/** The object in a JSON text, or null. */
export function parseObject(text: string): Members | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : null;
  } catch {
    return null;
  }
}

/** What is signed of a chain. */
export function signedChain(chain: Uint8Array): Buffer {
  return Buffer.concat([signatureDomain, chain]);
}

/** A closed range of event numbers. */
export type Range = readonly [from: number, to: number];

/**
 * The end of a series as its server wrote it last, in a file of its own that is replaced with each write: what lies behind
 * it does not count yet, what is missing before it was cut.
 */
export interface Head {
  readonly firm: number;
  readonly server: string;
  /** the files from this one on are there; older ones went by age or size */
  readonly first: number;
  /** lines of the files that went, and the chain behind them */
  readonly firstLine: number;
  readonly firstChain: string;
  /** numbers of the events in files that went */
  readonly removed: readonly Range[];
  /** the file at whose byte `bytes` the series ends */
  readonly file: number;
  readonly bytes: number;
  /** lines of the whole series, from its beginning */
  readonly lines: number;
  readonly chain: string;
  /** number and place in the log of the newest event, and since when the system counts */
  readonly number: number;
  readonly at: string;
  readonly since: number;
  /** base64url public key, "" = not signed */
  readonly key: string;
}

/** What is signed of a head. */
export function signedHead(head: Head): Buffer {
  const { firm, server, first, firstLine, firstChain, removed, file, bytes, lines, chain, number, at, since, key } =
    head;
  const members = {
    firm,
    server,
    first,
    firstLine,
    firstChain,
    removed,
    file,
    bytes,
    lines,
    chain,
    number,
    at,
    since,
    key,
  };
  return Buffer.concat([headDomain, Buffer.from(canonicalJson(members))]);
}

export function headBytes(head: Head, signature: string): Buffer {
  return Buffer.from(`${JSON.stringify({ format: HEAD_FORMAT, ...head, signature }, null, 2)}\n`);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): value is string => typeof value === "string";
const isRange = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && value.every(isCount) && (value[0] as number) <= (value[1] as number);

/** Reads a head file; null when it is none. Whether its signature is right is for the caller. */
export function readHead(bytes: Buffer): { readonly head: Head; readonly signature: string } | null {
  const value = parseObject(bytes.toString("utf8"));
  if (value === null || value["format"] !== HEAD_FORMAT) return null;
  const head = value as unknown as Head & { readonly signature: string };
  const counts = [head.firm, head.first, head.firstLine, head.file, head.bytes, head.lines, head.number, head.since];
  const texts = [head.server, head.firstChain, head.chain, head.at, head.key, head.signature];
  const sound =
    counts.every(isCount) && texts.every(isText) && Array.isArray(head.removed) && head.removed.every(isRange);
  if (!sound || head.first < 1 || head.file < head.first) return null;
  return { head, signature: head.signature };
}

/** `FIRM.SERVER`: what the names of the files of one series begin with. */
export function seriesName(firm: number, server: string): string {
  return `${firm}.${server.replaceAll(/[^A-Za-z0-9_-]/g, "_")}`;
}

export function fileName(series: string, file: number): string {
  return `${series}.${String(file).padStart(6, "0")}.jsonl`;
}

export function headName(series: string): string {
  return `${series}.head`;
}

/** The series and the number of a file by its name; `file` 0: the head. Null: not one of ours. */
export function readFileName(name: string): { readonly series: string; readonly file: number } | null {
  const match = /^([0-9]{1,10}\.[A-Za-z0-9_-]{1,64})\.(?:([0-9]{6,9})\.jsonl|head)$/.exec(name);
  return match === null ? null : { series: match[1] as string, file: Number(match[2] ?? 0) };
}

/** Adds a range to ranges whose numbers mostly grow: it goes on where the last one ends, or begins a new one. */
export function addRange(ranges: Range[], [from, to]: Range): void {
  const last = ranges.at(-1);
  if (last !== undefined && from >= last[0] && from <= last[1] + 1) {
    ranges[ranges.length - 1] = [last[0], Math.max(last[1], to)];
  } else ranges.push([from, to]);
}

/** The lines of a file, without their newlines; the last one may lack it. */
export function* linesOf(bytes: Buffer): Generator<Buffer> {
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(10, from);
    const to = end === -1 ? bytes.length : end;
    yield bytes.subarray(from, to);
    from = to + 1;
  }
}
