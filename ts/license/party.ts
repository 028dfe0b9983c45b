/**
 * Who asks: the address that a server saw, and the names that the client says of itself. Kept as one piece of bytes per
 * session and taken apart only where a rule asks: 16 bytes of address, then the five names of openSession.
 */
import { ADDRESS_BYTES } from "../wire/request.js";
import { bytesOf } from "./words.js";

/** The names of openSession: host, user, station, program and version of the client library. */
const NAMES = 5;
const ADDRESS_WORDS = ADDRESS_BYTES / 4;

/** Whom a session is of; a name that the client does not say is empty. */
export interface Party {
  /** 16 bytes as IPv6, all zero = unknown */
  readonly address: Buffer;
  readonly host: string;
  /** `user` or `user@domain` */
  readonly user: string;
  readonly station: string;
  readonly program: string;
  readonly runtimeVersion: string;
}

/** True for five UTF-8 strings, each behind its u8 length; no bytes at all are five empty ones. */
export function areNames(names: Buffer): boolean {
  if (names.length === 0) return true;
  let at = 0;
  for (let i = 0; i < NAMES; i++) {
    const length = names[at];
    if (length === undefined || at + 1 + length > names.length) return false;
    const name = names.subarray(at + 1, at + 1 + length);
    if (!Buffer.from(name.toString("utf8")).equals(name)) return false;
    at += 1 + length;
  }
  return at === names.length;
}

/** The bytes that are kept: the address in the words from `at` on, then the names. */
export function identityOf(words: Uint32Array, at: number, names: Buffer): Buffer {
  return Buffer.concat([bytesOf(words, at, ADDRESS_WORDS), names]);
}

/** True for bytes that {@link identityOf} can have made. */
export function isIdentity(bytes: Buffer): boolean {
  return bytes.length >= ADDRESS_BYTES && areNames(bytes.subarray(ADDRESS_BYTES));
}

/** Takes an identity apart. */
export function readParty(identity: Buffer): Party {
  const names: string[] = [];
  for (let at = ADDRESS_BYTES; at < identity.length; ) {
    const end = at + 1 + (identity[at] as number);
    names.push(identity.toString("utf8", at + 1, end));
    at = end;
  }
  const [host = "", user = "", station = "", program = "", runtimeVersion = ""] = names;
  return { address: identity.subarray(0, ADDRESS_BYTES), host, user, station, program, runtimeVersion };
}

/** The station as a text without a twin, "" when the client says neither host nor station. */
export function stationOf({ host, station }: Party): string {
  return host === "" && station === "" ? "" : `${host.length} ${host} ${station}`;
}

/** True for an address of the machine itself: ::1, and 127.0.0.0/8 as IPv4 in IPv6. */
export function isLoopback(address: Buffer): boolean {
  const isMapped = isZeroUpTo(address, 10) && address[10] === 0xff && address[11] === 0xff;
  return (isMapped && address[12] === 127) || (isZeroUpTo(address, 15) && address[15] === 1);
}

function isZeroUpTo(bytes: Buffer, end: number): boolean {
  for (let i = 0; i < end; i++) if (bytes[i] !== 0) return false;
  return true;
}
