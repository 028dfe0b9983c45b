/**
 * What a server says of itself first on a connection to another one: which versions of the protocol and of the license
 * rules it knows. Both take the highest that both know; where there is none, both say which ranges met, and nothing else
 * goes over that connection. Releases before this message say nothing: they are known by that.
 */
import { asBuffer } from "./bytes.js";
import { isWellFormedMessage, MESSAGE_HEADER_BYTES, MessageField, MessageType, newMessage } from "./message.js";

/** Versions from `min` to `max`, both included. */
export interface Span {
  readonly min: number;
  readonly max: number;
}

/** What a build knows. */
export interface Versions {
  /** messages between servers */
  readonly protocol: Span;
  /** what a log means: results, state digests, events and snapshots of equal logs are equal under equal rules */
  readonly rules: Span;
  /** of the package, for people */
  readonly release: string;
}

/** What two builds speak with each other. */
export interface Agreed {
  readonly protocol: number;
  readonly rules: number;
}

/** Protocol 2 is protocol 1 with this message; this build speaks both. */
const PROTOCOL: Span = { min: 1, max: 2 };
const RULES: Span = { min: 1, max: 1 };
const MAX_RELEASE_CHARACTERS = 64;
/** A server that says nothing about itself. */
export const silentVersions: Versions = { protocol: { min: 1, max: 1 }, rules: { min: 1, max: 1 }, release: "" };

/** What this build knows. */
export function versionsOf(release: string): Versions {
  return { protocol: PROTOCOL, rules: RULES, release };
}

/** The message that says it. Readers pass over members that they do not know, so that more can be said later. */
export function helloOf({ protocol, rules, release }: Versions): Buffer {
  const text = JSON.stringify({ protocol: [protocol.min, protocol.max], rules: [rules.min, rules.max], release });
  const body = Buffer.from(text);
  const message = newMessage(MessageType.hello, body.length);
  message.set(body, MESSAGE_HEADER_BYTES);
  return message;
}

/** Reads a hello; null when the message claims to be one and is not. */
export function readHello(message: Uint8Array): Versions | null {
  const bytes = asBuffer(message);
  if (!isWellFormedMessage(bytes)) return null;
  let said: unknown;
  try {
    said = JSON.parse(bytes.toString("utf8", MESSAGE_HEADER_BYTES));
  } catch {
    return null;
  }
  if (typeof said !== "object" || said === null) return null;
  const { protocol, rules, release } = said as Readonly<Record<string, unknown>>;
  const [protocolSpan, rulesSpan] = [spanOf(protocol), spanOf(rules)];
  if (protocolSpan === null || rulesSpan === null || typeof release !== "string") return null;
  return { protocol: protocolSpan, rules: rulesSpan, release: release.slice(0, MAX_RELEASE_CHARACTERS) };
}

function spanOf(value: unknown): Span | null {
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [min, max] = value as readonly unknown[];
  return isVersion(min) && isVersion(max) && min <= max ? { min, max } : null;
}

function isVersion(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 0xffff;
}

/** The highest that both know; a sentence that names both ranges when there is none. */
export function agree(own: Versions, theirs: Versions): Agreed | string {
  const protocol = highestCommon(own.protocol, theirs.protocol);
  const rules = highestCommon(own.rules, theirs.rules);
  if (protocol !== null && rules !== null) return { protocol, rules };
  const what = protocol === null ? "protocol" : "license rules";
  const [mine, others] = protocol === null ? [own.protocol, theirs.protocol] : [own.rules, theirs.rules];
  return `no common version of the ${what}: it knows ${spanText(others)}${named(theirs)}, this server ${spanText(mine)}${named(own)}; upgrade one release at a time`;
}

function highestCommon(a: Span, b: Span): number | null {
  const max = Math.min(a.max, b.max);
  return max >= Math.max(a.min, b.min) ? max : null;
}

function spanText({ min, max }: Span): string {
  return min === max ? String(min) : `${min} to ${max}`;
}

function named({ release }: Versions): string {
  return release === "" ? "" : ` (release ${JSON.stringify(release)})`;
}

/** What a message is for its connection: of the protocol, the hello itself, or the reason why nothing more is taken. */
export type Heard =
  | { readonly type: "message" }
  | { readonly type: "hello" }
  | { readonly type: "refused"; why: string };

const MESSAGE: Heard = { type: "message" };

/** One connection: what the peer has said of itself so far. Whoever calls says hello first and takes the answer here. */
export class Greeting {
  readonly #own: Versions;
  #outcome: Agreed | string | null = null;

  constructor(own: Versions) {
    this.#own = own;
  }

  /** What is spoken, null as long as the peer has said nothing, and where nothing can be. */
  get agreed(): Agreed | null {
    return typeof this.#outcome === "object" ? this.#outcome : null;
  }

  /** Takes the next message of the connection. A first one that is no hello is of a release that has none. */
  take(message: Uint8Array): Heard {
    const isHello = message[MessageField.type] === MessageType.hello;
    if (isHello) {
      const theirs = readHello(message);
      this.#outcome = theirs === null ? "a hello that is none" : agree(this.#own, theirs);
    } else {
      this.#outcome ??= agree(this.#own, silentVersions);
    }
    if (typeof this.#outcome === "string") return { type: "refused", why: this.#outcome };
    return isHello ? { type: "hello" } : MESSAGE;
  }
}
