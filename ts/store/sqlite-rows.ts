/** The rows of the database: what a query takes and gives, and the seals by which an altered one is found. */
import { createHash } from "node:crypto";
import type Database from "better-sqlite3";
import type { Connection } from "./database.js";

export interface MetaRow {
  upstream: number;
  genesis: Buffer;
  promised: number;
  log_epoch: number;
  incarnation: Buffer;
  blank: number;
  members: Buffer;
  stamp: Buffer;
  statement_version: number;
  statement_digest: Buffer | null;
  seal: Buffer;
}
export interface DigestRow {
  position: number;
  digest: Buffer;
}
/** A snapshot's bytes lie in `parts` rows of their own, so that they can be written one after another. */
export interface SnapshotRow extends DigestRow {
  seal: Buffer;
  size: number;
  parts: number;
}

/** The start of a snapshot's seal; its bytes follow. */
export function snapshotSeal(position: number, digest: Uint8Array) {
  return createHash("sha256").update(`tmr store snapshot/1 ${position}\n`).update(digest);
}

/** The seal of the promises. */
export function metaSeal(row: Omit<MetaRow, "seal">): Buffer {
  const hex = (bytes: Uint8Array | null) => (bytes === null ? "" : Buffer.from(bytes).toString("hex"));
  return createHash("sha256")
    .update(
      JSON.stringify([
        "tmr store meta/1",
        row.upstream,
        hex(row.genesis),
        row.promised,
        row.log_epoch,
        hex(row.incarnation),
        row.blank,
        hex(row.members),
        hex(row.stamp),
        row.statement_version,
        hex(row.statement_digest),
      ]),
    )
    .digest();
}

type Query<P extends unknown[], R = unknown> = Database.Statement<P, R>;

/** Every query of a store. */
export interface Statements {
  readonly begin: Query<unknown[]>;
  readonly commit: Query<unknown[]>;
  readonly rollback: Query<unknown[]>;
  readonly commits: Query<[], { n: number }>;
  readonly count: Query<unknown[]>;
  readonly meta: Query<[], MetaRow>;
  readonly putMeta: Query<[Omit<MetaRow, "id">]>;
  readonly base: Query<[], DigestRow>;
  readonly putBase: Query<[number, Uint8Array]>;
  readonly extent: Query<[], { first: number | null; last: number | null; n: number }>;
  readonly digestAt: Query<[number], DigestRow>;
  readonly insert: Query<[number, Uint8Array, Uint8Array]>;
  readonly after: Query<[number], DigestRow & { batch: Buffer }>;
  readonly dropAfter: Query<[number]>;
  readonly dropUpTo: Query<[number]>;
  readonly snapshot: Query<[], SnapshotRow>;
  readonly putSnapshot: Query<[number, Uint8Array, Uint8Array, number, number]>;
  readonly parts: Query<[number, number], { bytes: Buffer }>;
  readonly putPart: Query<[number, number, Uint8Array]>;
  readonly dropPart: Query<[number]>;
}

/** Prepares them. */
export function statementsOf(db: Connection): Statements {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    commits: db.prepare("SELECT n FROM commits"),
    count: db.prepare("INSERT INTO commits VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1"),
    meta: db.prepare("SELECT * FROM meta"),
    putMeta: db.prepare(
      `INSERT OR REPLACE INTO meta VALUES (1, @upstream, @genesis, @promised, @log_epoch, @incarnation, @blank, @members,
       @stamp, @statement_version, @statement_digest, @seal)`,
    ),
    base: db.prepare("SELECT position, digest FROM base"),
    putBase: db.prepare("INSERT OR REPLACE INTO base VALUES (1, ?, ?)"),
    extent: db.prepare("SELECT min(position) AS first, max(position) AS last, count(*) AS n FROM log"),
    digestAt: db.prepare("SELECT position, digest FROM log WHERE position = ?"),
    insert: db.prepare("INSERT INTO log VALUES (?, ?, ?)"),
    after: db.prepare("SELECT position, digest, batch FROM log WHERE position > ? ORDER BY position"),
    dropAfter: db.prepare("DELETE FROM log WHERE position > ?"),
    dropUpTo: db.prepare("DELETE FROM log WHERE position <= ?"),
    snapshot: db.prepare("SELECT position, digest, seal, size, parts FROM snapshot"),
    putSnapshot: db.prepare("INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?, ?)"),
    parts: db.prepare("SELECT bytes FROM snapshot_part WHERE snapshot = ? AND n < ? ORDER BY n"),
    putPart: db.prepare("INSERT OR REPLACE INTO snapshot_part VALUES (?, ?, ?)"),
    dropPart: db.prepare(
      "DELETE FROM snapshot_part WHERE rowid = (SELECT rowid FROM snapshot_part WHERE snapshot <> ? LIMIT 1)",
    ),
  };
}
