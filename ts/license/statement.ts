/**
 * Holding statements (protocol.md rule 9): 64 bytes of Ed25519 signature, then canonical JSON
 * {actId, container, items, upstream, version}. Every upstream checks every statement, so the outcome is a function
 * of the log alone.
 */
import { canonicalJson } from "../wire/canonical.js";
import { HOLDING_ENTRY_BYTES, HoldingField } from "../wire/merge.js";
import { type ContainerNumber, type LicensePorts, parseContainerNumber } from "./genesis.js";
import { MAX_STATEMENT_BYTES } from "./limits.js";
import { compareKeys, faultInTerms, type Terms, termsBytes } from "./terms.js";

export const SIGNATURE_BYTES = 64;
const domain = Buffer.from("tmr-statement/1\n");

/** An item as it is shown, and where. */
export interface ShownItem {
  readonly terms: Terms;
  readonly container: ContainerNumber;
  /** bit i-1 set: upstream i states exactly these terms */
  readonly holders: number;
  /** the upstream that states other terms under the same key, 0 = none */
  readonly odd: number;
  /** holders that must be reached */
  readonly quorum: 1 | 2;
}

/** A license with a TMR-ID that lies in a container of a standalone server. */
export interface TmrItem {
  readonly firmCode: number;
  readonly productCode: number;
  readonly tmrId: number;
  readonly container: ContainerNumber;
}

/** What the containers of a standalone server hold. */
export interface OwnContainers {
  /** ascending by serial */
  readonly containers: readonly ContainerNumber[];
  /** ordinary licenses, in the order of containers, then ascending by join key */
  readonly items: readonly ShownItem[];
  readonly tmr: readonly TmrItem[];
}

/** What an upstream last stated. */
export interface Statement {
  readonly version: number;
  /** the canonical JSON, without the signature */
  readonly payload: Buffer;
  /** SHA-256 of the payload */
  readonly digest: Uint8Array;
  /** strictly ascending by join key */
  readonly items: readonly Terms[];
  /** the same as 48-byte entries for the merge */
  readonly entries: Buffer;
  /** only of a standalone server, whose statement has no items and entries otherwise */
  readonly own?: OwnContainers;
}

/** The bytes that an upstream signs. */
export function statementMessage(payload: Uint8Array): Buffer {
  return Buffer.concat([domain, payload]);
}

/** Reads the payload of a statement of an upstream; a string is the fault in it. */
export type StatementReader = (payload: Buffer, upstream: number, sha256: LicensePorts["sha256"]) => Statement | string;

/** Checks a signed statement of `upstream`; a string is the reason for refusing it. */
export function checkStatement(
  blob: Buffer,
  upstream: number,
  lastVersion: number,
  publicKey: Uint8Array,
  ports: LicensePorts,
): Statement | string {
  return checkSigned(domain, readStatement, blob, upstream, lastVersion, publicKey, ports);
}

/** {@link checkStatement} of what is signed under a domain of its own. */
export function checkSigned(
  under: Buffer,
  read: StatementReader,
  blob: Buffer,
  upstream: number,
  lastVersion: number,
  publicKey: Uint8Array,
  ports: LicensePorts,
): Statement | string {
  if (blob.length > MAX_STATEMENT_BYTES) return `it has ${blob.length} bytes, at most ${MAX_STATEMENT_BYTES} are read`;
  if (blob.length <= SIGNATURE_BYTES) return "it is too short to carry a signature";
  const payload = Buffer.from(blob.subarray(SIGNATURE_BYTES));
  if (!ports.verifyEd25519(publicKey, Buffer.concat([under, payload]), blob.subarray(0, SIGNATURE_BYTES))) {
    return "its signature is not by this upstream's key";
  }
  const statement = read(payload, upstream, ports.sha256);
  if (typeof statement !== "string" && statement.version <= lastVersion) {
    return `its version ${statement.version} is not above ${lastVersion}`;
  }
  return statement;
}

/** Reads the payload of a statement whose signature was checked before; a string is the fault in it. */
export function readStatement(payload: Buffer, upstream: number, sha256: LicensePorts["sha256"]): Statement | string {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString("utf8"));
  } catch {
    return "it is not JSON";
  }
  const content = readContent(value, upstream);
  if (typeof content === "string") return content;
  // The schema bounds depth and types, so from here on the canonical text exists except for a lone surrogate.
  if (!isCanonical(value, payload)) return "it is not canonical JSON";
  const { items, version } = content;
  const entries = Buffer.alloc(items.length * HOLDING_ENTRY_BYTES);
  items.forEach((terms, i) => {
    const at = i * HOLDING_ENTRY_BYTES;
    entries.writeUInt32LE(terms.firmCode, at + HoldingField.firmCode);
    entries.writeUInt32LE(terms.productCode, at + HoldingField.productCode);
    entries.writeUInt32LE(terms.tmrId, at + HoldingField.tmrId);
    entries.writeUInt32LE(terms.actId, at + HoldingField.actId);
    entries.set(sha256(termsBytes(terms)), at + HoldingField.digest);
  });
  return { version, payload, digest: sha256(payload), items, entries };
}

interface Content {
  readonly version: number;
  readonly items: readonly Terms[];
}

const memberNames = ["actId", "container", "items", "upstream", "version"];

function readContent(value: unknown, upstream: number): Content | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "it is not a JSON object";
  const statement = value as Readonly<Record<string, unknown>>;
  const names = Object.keys(statement);
  if (names.length !== memberNames.length || !memberNames.every((name) => Object.hasOwn(statement, name))) {
    return `its members are not ${memberNames.join(", ")}`;
  }
  const { actId, container, items, version } = statement;
  if (statement["upstream"] !== upstream) return `it is not by upstream ${upstream}`;
  if (!Number.isSafeInteger(version) || (version as number) < 1) return "its version is not a positive integer";
  if (typeof container !== "string" || parseContainerNumber(container) === null) return "its container number is wrong";
  if (!Array.isArray(items)) return "its items are not a list";
  let before: Terms | null = null;
  for (const item of items as readonly unknown[]) {
    const fault = faultInTerms(item);
    if (fault !== null) return fault;
    const terms = item as Terms;
    if (terms.tmrId === 0) return "an item has no TMR-ID";
    if (terms.actId !== actId) return "an item's actId is not that of the container";
    if (before !== null && compareKeys(before, terms) >= 0) return "its items are not strictly ascending";
    before = terms;
  }
  if (!Number.isInteger(actId) || (actId as number) < 0 || (actId as number) > 0xffff_ffff)
    return "its actId is not a u32";
  return { version: version as number, items: items as readonly Terms[] };
}

/** True when `payload` is the one way to write `value`. */
export function isCanonical(value: unknown, payload: Buffer): boolean {
  try {
    return Buffer.from(canonicalJson(value)).equals(payload);
  } catch {
    return false;
  }
}
