/** What every server that clients connect to can be told: session time-outs and the bounds of what it takes on. */
import { MAX_BATCH_BLOB_BYTES, MAX_BATCH_RECORDS } from "../wire/batch.js";
import { valueAt } from "./document.js";
import type { Faults } from "./faults.js";
import { integer, table } from "./fields.js";

/** Session time-out: the default, and the limits within which a client may choose. */
export interface SessionTimeouts {
  readonly timeoutMs: number;
  readonly minTimeoutMs: number;
  readonly maxTimeoutMs: number;
}

const YEAR_MS = 366 * 24 * 3600 * 1000;
const MIB = 1024 * 1024;

/** The `[session]` table. */
export const session = table({
  timeoutMs: integer(100, YEAR_MS).default(120_000),
  minTimeoutMs: integer(100, YEAR_MS).default(5_000),
  maxTimeoutMs: integer(100, YEAR_MS).default(86_400_000),
}).prefault({});

const ownLimits = {
  maxClients: integer(1, 100_000).default(10_000),
  maxPendingRequests: integer(1, 1_000_000).default(16_384),
  maxRequestsPerBatch: integer(1, MAX_BATCH_RECORDS).default(512),
  // The longest holding statement that the license rules accept, 3 MiB, must fit into one batch.
  maxBatchBlobBytes: integer(3 * MIB, MAX_BATCH_BLOB_BYTES).default(MAX_BATCH_BLOB_BYTES),
  maxClientOutputBytes: integer(65_536, 64 * MIB).default(MIB),
};

/** The `[limits]` table of a standalone license server: it has no upstreams to be fed. */
export const standaloneLimits = table(ownLimits).prefault({});

/** The `[limits]` table of a TMR server. */
export const limits = table({
  ...ownLimits,
  maxBatchesInFlight: integer(1, 256).default(8),
  retainedBatches: integer(1, 65_536).default(256),
}).prefault({});

type Key = readonly [section: string, key: string];
/** Two numbers, each in its own range, of which the first is at least (or truly `more` than) the second; and why. */
export type Relation = readonly [greater: Key, smaller: Key, why: string, strict?: "more"];

/** The relations within the tables above. */
export const servingRelations: readonly Relation[] = [
  [["limits", "maxPendingRequests"], ["limits", "maxRequestsPerBatch"], "or a batch could never be full"],
  [["session", "timeoutMs"], ["session", "minTimeoutMs"], "or the default is out of its own limits"],
  [["session", "maxTimeoutMs"], ["session", "timeoutMs"], "or the default is out of its own limits"],
];

/** Checks a raw document, so that these faults are found together with those of its schema. */
export function checkRelations(
  raw: unknown,
  defaults: unknown,
  relations: readonly Relation[],
  file: string,
  faults: Faults,
): void {
  const value = (key: Key): unknown => valueAt(raw, key) ?? valueAt(defaults, key);
  for (const [greater, smaller, why, strict] of relations) {
    const a = value(greater);
    const b = value(smaller);
    if (typeof a !== "number" || typeof b !== "number") continue;
    if (strict === "more" ? a > b : a >= b) continue;
    const than = `${smaller.join(".")} = ${b}`;
    faults.add(file, greater.join("."), `${strict === "more" ? "more than" : "at least"} ${than}, ${why}`, String(a));
  }
}
