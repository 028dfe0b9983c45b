/** What a server's state costs to write and to read, measured on the store that it left behind. */
import { existsSync } from "node:fs";
import type { Engine } from "../../ts/engine/types.js";
import { type AnyGenesis, genesisDigest } from "../../ts/license/genesis.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { SqliteStore } from "../../ts/store/sqlite-store.js";
import { licensePorts } from "../../ts/upstream/license-ports.js";
import { ReplicaLog } from "../../ts/upstream/replica-log.js";

export interface Recovery {
  /** store to state: snapshot and the log behind it */
  readonly recoveryMs: number;
  readonly snapshotMs: number;
  readonly snapshotBytes: number;
  /** snapshot to state */
  readonly restoreMs: number;
}

const ROUNDS = 5;

/** Opens the store of a process that has ended, recovers the state in it, and takes it to a snapshot and back. */
export function recover(engine: Engine, file: string, upstream: 1 | 2 | 3, genesis: AnyGenesis): Recovery {
  if (!existsSync(file)) throw new Error(`${file} is not there`);
  const ports = licensePorts(engine);
  const owner = { upstream, genesisDigest: genesisDigest(genesis, ports.sha256) };
  const store = new SqliteStore({ ...owner, file, newIncarnation: new Uint8Array(16) });
  try {
    const states = {
      create: () => LicenseMachine.create(genesis, ports),
      restore: (bytes: Uint8Array) => LicenseMachine.restore(bytes, genesis, ports),
    };
    const begun = performance.now();
    const { state } = new ReplicaLog({ upstream, store, states, sha256: ports.sha256 });
    const recoveryMs = performance.now() - begun;
    let snapshot: Uint8Array = new Uint8Array();
    const snapshotMs = median(() => {
      snapshot = state.snapshot();
    });
    const restoreMs = median(() => {
      if (!Buffer.from(states.restore(snapshot).stateDigest).equals(state.stateDigest))
        throw new Error("another state");
    });
    return { recoveryMs, snapshotMs, snapshotBytes: snapshot.length, restoreMs };
  } finally {
    store.close();
  }
}

function median(work: () => void): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const begun = performance.now();
    work();
    return performance.now() - begun;
  }).sort((a, b) => a - b);
  return times[Math.floor(ROUNDS / 2)] as number;
}
