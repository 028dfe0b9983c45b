/**
 * Opens the store of an upstream and recovers its replica. A store that is damaged counts as a lost disk (protocol.md
 * rule 18): it is set aside under a name with the time, never deleted, and a blank one takes its place.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { TmrError } from "../errors.js";
import { SqliteStore, storeFiles } from "../store/sqlite-store.js";
import { StoreDamageError, type StoreOwner } from "../store/store.js";
import { Replica, type ReplicaOptions } from "./replica.js";

export interface OpenReplicaOptions extends Omit<ReplicaOptions, "store" | "upstream"> {
  readonly owner: StoreOwner;
  /** The folder of the store; created when it is not there. */
  readonly folder: string;
  /** false: the store does not wait for the disk. */
  readonly durable: boolean;
  readonly log: Logger;
  /** Wall clock, for the name of a store that is set aside. */
  readonly now: () => Date;
}

/** A replica on its open store. */
export interface OpenReplica {
  readonly replica: Replica;
  readonly store: SqliteStore;
  /** True when a damaged store was set aside just now. */
  readonly lost: boolean;
}

/** The store in the state folder of an upstream. */
export const STORE_NAME = "replica.sqlite";

/** Throws ERR_TMR_FILE, ERR_TMR_STORE for a store of someone else, ERR_TMR_STORE_WRITE. */
export function openReplica(options: OpenReplicaOptions): OpenReplica {
  const file = join(options.folder, STORE_NAME);
  try {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `the folder ${options.folder} cannot be made: ${String(cause)}`, { cause });
  }
  try {
    return { ...recovered(options, file), lost: false };
  } catch (error) {
    if (!(error instanceof StoreDamageError)) throw error;
    setAside(options, error);
    return { ...recovered(options, file), lost: true };
  }
}

/** Renames the files of a damaged store that is closed. */
export function setAside({ folder, log, now }: OpenReplicaOptions, damage: StoreDamageError): void {
  const file = join(folder, STORE_NAME);
  const stamp = now()
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, "");
  const kept = `${file}.damaged-${stamp}-${randomBytes(2).toString("hex")}`;
  try {
    storeFiles(file).forEach((from, i) => {
      if (existsSync(from)) renameSync(from, storeFiles(kept)[i] ?? kept);
    });
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `the damaged store ${file} cannot be set aside: ${String(cause)}`, { cause });
  }
  log.fatal(
    { err: damage.message, kept },
    "the store is damaged and counts as a lost disk: it is set aside, this upstream starts blank and waits to be filled from the other two",
  );
}

function recovered(options: OpenReplicaOptions, file: string): { replica: Replica; store: SqliteStore } {
  const store = new SqliteStore({
    ...options.owner,
    file,
    newIncarnation: randomBytes(16),
    durable: options.durable,
  });
  try {
    const { states, sha256, statement, attest, owner } = options;
    return { replica: new Replica({ upstream: owner.upstream, store, states, sha256, statement, attest }), store };
  } catch (error) {
    store.close();
    throw error;
  }
}
