/** A chain of opaque batches and a place for store files. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteStore } from "../../ts/store/sqlite-store.js";
import type { LogEntry, ReplicaStore } from "../../ts/store/store.js";
import { genesisDigest, sha256 } from "./replica-kit.js";

export const owner = { upstream: 1, genesisDigest } as const;
export const newIncarnation = Buffer.alloc(16, 0xee);

/** Entries `from` + 1 to `to` of the one chain that `salt` names. */
export function entries(from: number, to: number, salt = 0, size = 300): LogEntry[] {
  const all: LogEntry[] = [];
  let previous: Buffer = genesisDigest;
  for (let position = 1; position <= to; position++) {
    const batch = Buffer.alloc(size, `${salt}:${position};`);
    previous = sha256(previous, batch);
    if (position > from) all.push({ position, batch, digest: previous });
  }
  return all;
}

export function digestOf(position: number, salt = 0): Buffer {
  return position === 0 ? genesisDigest : Buffer.from(entries(position - 1, position, salt)[0]?.digest ?? []);
}

export function openSqlite(file: string): SqliteStore {
  return new SqliteStore({ ...owner, file, newIncarnation });
}

/** Runs `test` with a fresh folder that is removed afterwards. */
export async function inFolder(test: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tmr-store-"));
  try {
    await test(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Everything a store says, for comparing two of them. */
export function contentOf(store: ReplicaStore): unknown {
  const { incarnation, members, stamp, statementDigest, ...rest } = store.meta();
  const hex = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString("hex"));
  const snapshot = store.snapshot();
  return {
    meta: {
      ...rest,
      incarnation: hex(incarnation),
      members: hex(members),
      stamp: hex(stamp),
      statementDigest: hex(statementDigest),
    },
    first: store.firstPosition,
    last: store.lastPosition,
    lastDigest: hex(store.lastDigest()),
    batches: store.read(store.firstPosition - 1, Number.MAX_SAFE_INTEGER).map(hex),
    snapshot: snapshot === null ? null : [snapshot.position, hex(snapshot.digest), hex(snapshot.bytes)],
  };
}
