/**
 * What the three upstreams last stated that they hold, as the TMR server saw it pass: for status and log only. Which
 * license may be granted is decided by the replicated state, never by this.
 */
import type { Engine } from "../engine/types.js";
import { getU64 } from "../wire/bytes.js";
import { RequestField } from "../wire/request.js";
import type { OddLicenseStatus } from "../wire/server-status.js";
import { type UpstreamId, upstreamIds } from "./choose.js";

/** Reads a signed holding statement into merge entries (48 bytes each, sorted), or null when it is not one. */
export type StatementReader = (statement: Uint8Array) => { upstream: UpstreamId; entries: Uint8Array } | null;

const MERGED_BYTES = 64;
const verdicts = { 2: "majority-odd", 3: "majority-missing", 4: "split", 5: "alone" } as const;

export class Holdings {
  readonly #engine: Pick<Engine, "mergeContainers">;
  readonly #read: StatementReader;
  readonly #entries = new Map<UpstreamId, Uint8Array>();
  #licenses: readonly OddLicenseStatus[] = [];

  constructor(engine: Pick<Engine, "mergeContainers">, read: StatementReader) {
    this.#engine = engine;
    this.#read = read;
  }

  /** Licenses that are not in all three containers alike. */
  get licenses(): readonly OddLicenseStatus[] {
    return this.#licenses;
  }

  /** Takes a statement that was carried. Returns true when the list of odd licenses has changed. */
  take(statement: Uint8Array): boolean {
    const holding = this.#read(statement);
    if (holding === null) return false;
    this.#entries.set(holding.upstream, holding.entries);
    const [a, b, c] = upstreamIds.map((id) => this.#entries.get(id) ?? null);
    const licenses = oddOnes(this.#engine.mergeContainers(a ?? null, b ?? null, c ?? null));
    const changed = JSON.stringify(licenses) !== JSON.stringify(this.#licenses);
    this.#licenses = licenses;
    return changed;
  }
}

function oddOnes(merged: Buffer): OddLicenseStatus[] {
  const licenses: OddLicenseStatus[] = [];
  for (let at = 0; at < merged.length; at += MERGED_BYTES) {
    const present = merged.readUInt8(at + 48);
    const verdict = verdicts[merged.readUInt8(at + 50) as keyof typeof verdicts];
    // Unanimous ones are as they should be.
    if (verdict === undefined) continue;
    licenses.push({
      firmCode: merged.readUInt32LE(at),
      productCode: merged.readUInt32LE(at + 4),
      tmrId: merged.readUInt32LE(at + 8),
      verdict,
      odd: merged.readUInt8(at + 51),
      holders: upstreamIds.filter((id) => (present & (1 << (id - 1))) !== 0),
    });
  }
  return licenses;
}

/** The upstream that a statement record speaks for. */
export function statementUpstream(record: Buffer): number {
  return getU64(record, RequestField.durationMs);
}
