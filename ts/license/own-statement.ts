/**
 * What a standalone license server states of its own containers: 64 bytes of Ed25519 signature, then canonical JSON
 * {containers: [{actId, container, items}, …], version}. It goes through the log like the statements of a TMR system, so
 * that everything a client was told is a function of the log alone.
 */
import { type ContainerNumber, type LicensePorts, parseContainerNumber } from "./genesis.js";
import { checkSigned, isCanonical, type ShownItem, type Statement, type TmrItem } from "./statement.js";
import { compareKeys, faultInTerms, type Terms } from "./terms.js";

/** What the server signs begins with this. */
export const OWN_STATEMENT_DOMAIN = Buffer.from("tmr-standalone-statement/1\n");

/** Checks a signed statement; a string is the reason for refusing it. */
export function checkOwnStatement(
  blob: Buffer,
  upstream: number,
  lastVersion: number,
  publicKey: Uint8Array,
  ports: LicensePorts,
): Statement | string {
  return checkSigned(OWN_STATEMENT_DOMAIN, readOwnStatement, blob, upstream, lastVersion, publicKey, ports);
}

/** Reads the payload of a statement whose signature was checked before; a string is the fault in it. */
export function readOwnStatement(
  payload: Buffer,
  _upstream: number,
  sha256: LicensePorts["sha256"],
): Statement | string {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString("utf8"));
  } catch {
    return "it is not JSON";
  }
  const statement = membersOf(value, ["containers", "version"]);
  if (statement === null) return "its members are not containers, version";
  const { containers, version } = statement;
  if (!Number.isSafeInteger(version) || (version as number) < 1) return "its version is not a positive integer";
  if (!Array.isArray(containers)) return "its containers are not a list";
  const numbers: ContainerNumber[] = [];
  const items: ShownItem[] = [];
  const tmr: TmrItem[] = [];
  for (const container of containers as readonly unknown[]) {
    const fault = readContainer(container, numbers, items, tmr);
    if (fault !== null) return fault;
  }
  // Depth and types are bounded by now, so the canonical text exists except for a lone surrogate.
  if (!isCanonical(value, payload)) return "it is not canonical JSON";
  const own = { containers: numbers, items, tmr };
  return { version: version as number, payload, digest: sha256(payload), items: [], entries: Buffer.alloc(0), own };
}

/** Adds one container to what has been read; a string is the fault in it. */
function readContainer(
  value: unknown,
  containers: ContainerNumber[],
  items: ShownItem[],
  tmr: TmrItem[],
): string | null {
  const members = membersOf(value, ["actId", "container", "items"]);
  if (members === null) return "the members of a container are not actId, container, items";
  const container = typeof members["container"] === "string" ? parseContainerNumber(members["container"]) : null;
  if (container === null) return "a container number is wrong";
  const before = containers.at(-1);
  if (before !== undefined && compareNumbers(before, container) >= 0)
    return "its containers are not strictly ascending";
  if (!Array.isArray(members["items"])) return "the items of a container are not a list";
  containers.push(container);
  let last: Terms | null = null;
  for (const item of members["items"] as readonly unknown[]) {
    const fault = faultInTerms(item);
    if (fault !== null) return fault;
    const terms = item as Terms;
    if (terms.actId !== members["actId"]) return "an item's actId is not that of its container";
    if (last !== null && compareKeys(last, terms) >= 0) return "the items of a container are not strictly ascending";
    last = terms;
    const { firmCode, productCode, tmrId } = terms;
    if (tmrId === 0) items.push({ terms, container, holders: 1, odd: 0, quorum: 1 });
    else tmr.push({ firmCode, productCode, tmrId, container });
  }
  return null;
}

/** By serial, then by mask: negative, zero or positive. */
export function compareNumbers(a: ContainerNumber, b: ContainerNumber): number {
  return a.serial - b.serial || a.mask - b.mask;
}

/** An object with exactly these members, or null. */
function membersOf(value: unknown, names: readonly string[]): Readonly<Record<string, unknown>> | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const exact = Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name));
  return exact ? (value as Readonly<Record<string, unknown>>) : null;
}
