/** Reads a store from end to end, as a server does when it starts, and every row besides. */
import Database from "better-sqlite3";
import { reading, STORE_FORMAT } from "../store/database.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { StoreDamageError, type StoreOwner } from "../store/store.js";
import type { LicenseStates } from "./license-state.js";
import { ReplicaLog } from "./replica-log.js";
import type { Sha256 } from "./types.js";

/** What is in a store that is sound. Digests are hex. */
export interface StoreReport {
  readonly format: number;
  readonly upstream: 1 | 2 | 3;
  readonly incarnation: string;
  /** not admitted yet: what it holds counts for nothing (protocol.md rule 8) */
  readonly blank: boolean;
  readonly promised: number;
  readonly logEpoch: number;
  /** of the oldest batch that is here */
  readonly first: number;
  /** of the newest one */
  readonly position: number;
  readonly digest: string;
  readonly snapshot: { readonly position: number; readonly byteLength: number } | null;
  /** of the license state that snapshot and log make */
  readonly stateDigest: string;
}

export interface InspectOptions {
  /** a copy: it is opened for writing, and its write-ahead log is folded into it */
  readonly file: string;
  readonly owner: StoreOwner;
  readonly states: LicenseStates;
  readonly sha256: Sha256;
}

const READ_BYTES = 4 * 1024 * 1024;

/**
 * Checks SQLite's own structure, the seals of promises and snapshot, the whole chain of digests, and that the license state
 * can be made of it. Throws {@link StoreDamageError}, ERR_TMR_STORE for a store of somebody else, ERR_TMR_FILE.
 */
export function inspectStore({ file, owner, states, sha256 }: InspectOptions): StoreReport {
  const store = new SqliteStore({ ...owner, file, newIncarnation: new Uint8Array(16), durable: false });
  let report: StoreReport;
  try {
    for (let at = store.firstPosition - 1; at < store.lastPosition; at += store.read(at, READ_BYTES).length);
    const { state } = new ReplicaLog({ upstream: owner.upstream, store, states, sha256 });
    const { incarnation, blank, promised, logEpoch } = store.meta();
    report = {
      format: STORE_FORMAT,
      upstream: owner.upstream,
      incarnation: hex(incarnation),
      blank,
      promised,
      logEpoch,
      first: store.firstPosition,
      position: store.lastPosition,
      digest: hex(store.lastDigest()),
      snapshot: store.snapshotInfo(),
      stateDigest: hex(state.stateDigest),
    };
  } finally {
    store.close();
  }
  checkStructure(file);
  return report;
}

/** Everything into one file, and SQLite's own check of every page. */
function checkStructure(file: string): void {
  reading(file, () => {
    const database = new Database(file);
    try {
      database.pragma("journal_mode = DELETE");
      const found = database.pragma("integrity_check(10)", { simple: true });
      if (found !== "ok") throw new StoreDamageError(`${file} is damaged: ${String(found)}`);
    } finally {
      database.close();
    }
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
