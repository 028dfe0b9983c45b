/**
 * The store as one SQLite file (WAL, synchronous=FULL): one transaction, one fsync per write. Every row carries what
 * is needed to find it altered: batches their chain digest, promises and snapshot a SHA-256 of their own.
 */
import { createHash } from "node:crypto";
import { TmrError } from "../errors.js";
import { type Connection, openDatabase, reading } from "./database.js";
import { MarkFile } from "./mark-file.js";
import {
  checkCut,
  checkEntries,
  checkSnapshot,
  type LogEntry,
  type ReplicaMeta,
  type ReplicaStore,
  StoreDamageError,
  type StoredSnapshot,
  type StoreOwner,
} from "./store.js";

export interface SqliteStoreOptions extends StoreOwner {
  /** The database file; `-wal` and `.mark` files lie beside it. */
  readonly file: string;
  /** 16 random bytes, used only when the store is created now. */
  readonly newIncarnation: Uint8Array;
  /** Default true. false: writes return before they are on the disk, so that a power failure can lose them. */
  readonly durable?: boolean;
}

/**
 * The files of a store, in the order in which a damaged one is set aside: whatever is left when that is interrupted, the
 * mark tells that it is not whole, and no write-ahead log is left beside a database that is not its own.
 */
export function storeFiles(file: string): readonly string[] {
  return [`${file}-wal`, file, `${file}.mark`];
}

interface MetaRow {
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
interface DigestRow {
  position: number;
  digest: Buffer;
}
interface SnapshotRow extends DigestRow {
  seal: Buffer;
  bytes: Buffer;
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function snapshotSeal(position: number, digest: Uint8Array, bytes: Uint8Array): Buffer {
  return sha256(Buffer.from(`tmr store snapshot/1 ${position}\n`), digest, bytes);
}

function metaSeal(row: Omit<MetaRow, "seal">): Buffer {
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

function statementsOf(db: Connection) {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    commits: db.prepare<[], { n: number }>("SELECT n FROM commits"),
    count: db.prepare("INSERT INTO commits VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1"),
    meta: db.prepare<[], MetaRow>("SELECT * FROM meta"),
    putMeta: db.prepare<[Omit<MetaRow, "id">]>(
      `INSERT OR REPLACE INTO meta VALUES (1, @upstream, @genesis, @promised, @log_epoch, @incarnation, @blank, @members,
       @stamp, @statement_version, @statement_digest, @seal)`,
    ),
    base: db.prepare<[], DigestRow>("SELECT position, digest FROM base"),
    putBase: db.prepare<[number, Uint8Array]>("INSERT OR REPLACE INTO base VALUES (1, ?, ?)"),
    extent: db.prepare<[], { first: number | null; last: number | null; n: number }>(
      "SELECT min(position) AS first, max(position) AS last, count(*) AS n FROM log",
    ),
    digestAt: db.prepare<[number], DigestRow>("SELECT position, digest FROM log WHERE position = ?"),
    insert: db.prepare<[number, Uint8Array, Uint8Array]>("INSERT INTO log VALUES (?, ?, ?)"),
    after: db.prepare<[number], DigestRow & { batch: Buffer }>(
      "SELECT position, digest, batch FROM log WHERE position > ? ORDER BY position",
    ),
    dropAfter: db.prepare<[number]>("DELETE FROM log WHERE position > ?"),
    dropUpTo: db.prepare<[number]>("DELETE FROM log WHERE position <= ?"),
    snapshot: db.prepare<[], SnapshotRow>("SELECT position, digest, seal, bytes FROM snapshot"),
    snapshotInfo: db.prepare<[], DigestRow & { size: number }>(
      "SELECT position, digest, length(bytes) AS size FROM snapshot",
    ),
    putSnapshot: db.prepare<[number, Uint8Array, Uint8Array, Uint8Array]>(
      "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?)",
    ),
  };
}

/** {@link ReplicaStore} on SQLite. */
export class SqliteStore implements ReplicaStore {
  readonly #file: string;
  readonly #owner: StoreOwner;
  readonly #db: Connection;
  readonly #sql: ReturnType<typeof statementsOf>;
  readonly #mark: MarkFile;
  #meta: ReplicaMeta;
  /** writes but for appends */
  #commits = 0;
  #base: DigestRow;
  #last: DigestRow;
  #snapshot: { position: number; digest: Buffer; byteLength: number } | null = null;
  #closed = false;

  /**
   * Opens the file or creates a blank store. Throws {@link StoreDamageError} for a damaged one, `ERR_TMR_STORE` for one
   * of another upstream or system, `ERR_TMR_FILE` when it cannot be opened or another process has it.
   */
  constructor(options: SqliteStoreOptions) {
    this.#file = options.file;
    this.#owner = { upstream: options.upstream, genesisDigest: Uint8Array.from(options.genesisDigest) };
    this.#db = openDatabase(options.file, options.durable ?? true);
    try {
      this.#sql = reading(options.file, () => statementsOf(this.#db));
      this.#mark = new MarkFile(`${options.file}.mark`);
      this.#base = { position: 0, digest: Buffer.from(options.genesisDigest) };
      this.#last = this.#base;
      this.#meta = reading(options.file, () => this.#load(options));
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  get lastPosition(): number {
    return this.#last.position;
  }

  get firstPosition(): number {
    return this.#base.position + 1;
  }

  meta(): ReplicaMeta {
    return this.#meta;
  }

  writeMeta(patch: Partial<ReplicaMeta>): void {
    const meta = { ...this.#meta, ...patch };
    this.#write("promise", this.lastPosition, () => this.#sql.putMeta.run(this.#rowOf(meta)));
    this.#meta = meta;
  }

  lastDigest(): Uint8Array {
    return this.#last.digest;
  }

  digestAt(position: number): Uint8Array | null {
    this.#check();
    if (position === this.#last.position) return this.#last.digest;
    if (position === this.#base.position) return this.#base.digest;
    if (position === 0) return this.#owner.genesisDigest;
    if (position === this.#snapshot?.position) return this.#snapshot.digest;
    return reading(this.#file, () => this.#sql.digestAt.get(position)?.digest ?? null);
  }

  append(entries: readonly LogEntry[]): void {
    checkEntries(this, entries);
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#transaction("append", last.position, () => {
      for (const { position, batch, digest } of entries) this.#sql.insert.run(position, digest, batch);
    });
    this.#last = { position: last.position, digest: Buffer.from(last.digest) };
  }

  read(after: number, maxBytes: number): Buffer[] {
    this.#check();
    let previous = this.digestAt(after);
    if (after < this.#base.position || previous === null) {
      throw new TmrError("ERR_TMR_ARGUMENT", `read: the log begins at ${this.firstPosition}, received ${after}`);
    }
    return reading(this.#file, () => {
      const batches: Buffer[] = [];
      let bytes = 0;
      let expected = after + 1;
      for (const row of this.#sql.after.iterate(after)) {
        bytes += row.batch.length;
        if (bytes > maxBytes && batches.length > 0) return batches;
        if (row.position !== expected || !sha256(previous as Uint8Array, row.batch).equals(row.digest)) {
          throw new StoreDamageError(`${this.#file}: the batch at position ${expected} is missing or altered`);
        }
        batches.push(row.batch);
        previous = row.digest;
        expected++;
      }
      if (expected <= this.lastPosition) {
        throw new StoreDamageError(`${this.#file}: the batch at position ${expected} is missing`);
      }
      return batches;
    });
  }

  cut(position: number): void {
    checkCut(this, position);
    const digest = this.digestAt(position);
    if (digest === null) throw new StoreDamageError(`${this.#file}: the batch at position ${position} is missing`);
    this.#write("cut", position, () => this.#sql.dropAfter.run(position));
    this.#last = { position, digest: Buffer.from(digest) };
  }

  snapshot(): StoredSnapshot | null {
    this.#check();
    return reading(this.#file, () => {
      const row = this.#sql.snapshot.get();
      if (row === undefined) return null;
      if (!snapshotSeal(row.position, row.digest, row.bytes).equals(row.seal)) {
        throw new StoreDamageError(`${this.#file}: the snapshot at position ${row.position} is altered`);
      }
      return { position: row.position, digest: row.digest, bytes: row.bytes };
    });
  }

  snapshotInfo(): { position: number; byteLength: number } | null {
    const info = this.#snapshot;
    return info === null ? null : { position: info.position, byteLength: info.byteLength };
  }

  writeSnapshot(position: number, digest: Uint8Array, bytes: Uint8Array, keepAfter: number): void {
    checkSnapshot(this, position, keepAfter);
    const drop = keepAfter > this.#base.position;
    const base = drop ? { position: keepAfter, digest: Buffer.from(this.digestAt(keepAfter) ?? digest) } : this.#base;
    this.#write("snapshot", this.lastPosition, () => {
      this.#sql.putSnapshot.run(position, digest, snapshotSeal(position, digest, bytes), bytes);
      this.#sql.putBase.run(base.position, base.digest);
      if (drop) this.#sql.dropUpTo.run(keepAfter);
    });
    this.#base = base;
    this.#snapshot = { position, digest: Buffer.from(digest), byteLength: bytes.length };
  }

  installSnapshot(position: number, digest: Uint8Array, bytes: Uint8Array): void {
    this.#write("install", position, () => {
      this.#sql.dropAfter.run(-1);
      this.#sql.putBase.run(position, digest);
      this.#sql.putSnapshot.run(position, digest, snapshotSeal(position, digest, bytes), bytes);
    });
    this.#base = { position, digest: Buffer.from(digest) };
    this.#last = this.#base;
    this.#snapshot = { position, digest: this.#base.digest, byteLength: bytes.length };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#db.close();
    this.#mark.close();
  }

  #check(): void {
    if (this.#closed) throw new TmrError("ERR_TMR_CLOSED", `${this.#file} is closed`);
  }

  /** A write that the database counts; the log ends at `position` after it. */
  #write(operation: string, position: number, change: () => unknown): void {
    const commits = this.#commits + 1;
    this.#transaction(operation, position, () => {
      this.#commits = commits;
      change();
      this.#sql.count.run();
    });
  }

  /** One transaction. After a failure nothing is known of what is on the disk, so nothing more is said or written. */
  #transaction(operation: string, position: number, change: () => unknown): void {
    this.#check();
    try {
      this.#sql.begin.run();
      change();
      this.#sql.commit.run();
      this.#mark.write({ commits: this.#commits, position });
    } catch (cause) {
      if (this.#db.inTransaction) this.#sql.rollback.run();
      this.close();
      throw new TmrError("ERR_TMR_STORE_WRITE", `${this.#file}: ${operation} failed: ${String(cause)}`, { cause });
    }
  }

  #rowOf(meta: ReplicaMeta): MetaRow {
    const row = {
      upstream: this.#owner.upstream,
      genesis: Buffer.from(this.#owner.genesisDigest),
      promised: meta.promised,
      log_epoch: meta.logEpoch,
      incarnation: Buffer.from(meta.incarnation),
      blank: meta.blank ? 1 : 0,
      members: Buffer.from(meta.members),
      stamp: Buffer.from(meta.stamp),
      statement_version: meta.statementVersion,
      statement_digest: meta.statementDigest === null ? null : Buffer.from(meta.statementDigest),
    };
    return { ...row, seal: metaSeal(row) };
  }

  #load(options: SqliteStoreOptions): ReplicaMeta {
    const noted = this.#mark.read();
    this.#commits = this.#sql.commits.get()?.n ?? 0;
    if (noted.commits > this.#commits) {
      throw new StoreDamageError(
        `${this.#file}: ${noted.commits} commits were acknowledged, only ${this.#commits} are here: the end of its log is lost`,
      );
    }
    if (this.#commits === 0) return this.#create(options.newIncarnation);
    const row = this.#sql.meta.get();
    if (row === undefined || !metaSeal(row).equals(row.seal)) {
      throw new StoreDamageError(`${this.#file}: the record of promises is missing or altered`);
    }
    if (row.upstream !== this.#owner.upstream || !row.genesis.equals(this.#owner.genesisDigest)) {
      throw new TmrError(
        "ERR_TMR_STORE",
        `${this.#file} belongs to upstream ${row.upstream} of ${row.genesis.equals(this.#owner.genesisDigest) ? "this" : "another"} system, expected upstream ${this.#owner.upstream} of this one`,
      );
    }
    this.#loadExtent();
    // With more commits than noted the note is from before a cut, and says nothing of where the log ends.
    if (noted.commits === this.#commits && noted.position > this.lastPosition) {
      throw new StoreDamageError(
        `${this.#file}: position ${noted.position} was acknowledged, ${this.lastPosition} is the last here: the end of its log is lost`,
      );
    }
    return {
      promised: row.promised,
      logEpoch: row.log_epoch,
      incarnation: row.incarnation,
      blank: row.blank === 1,
      members: row.members,
      stamp: row.stamp,
      statementVersion: row.statement_version,
      statementDigest: row.statement_digest,
    };
  }

  #loadExtent(): void {
    this.#base = this.#sql.base.get() ?? this.#base;
    this.#last = this.#base;
    const info = this.#sql.snapshotInfo.get();
    if (info !== undefined) {
      this.#snapshot = { position: info.position, digest: info.digest, byteLength: info.size };
    }
    const { first, last, n } = this.#sql.extent.get() ?? { first: null, last: null, n: 0 };
    const lastRow = last === null ? undefined : this.#sql.digestAt.get(last);
    if (lastRow !== undefined) this.#last = lastRow;
    const whole = first === null || (first === this.firstPosition && n === this.lastPosition - this.#base.position);
    const snapshot = this.#snapshot?.position ?? 0;
    if (!whole || snapshot < this.#base.position || snapshot > this.lastPosition) {
      throw new StoreDamageError(
        `${this.#file}: positions ${this.firstPosition} to ${this.lastPosition} are not whole`,
      );
    }
    this.#checkBase();
  }

  /** The digest where the log begins has no batch of its own: what follows or stands for it must agree. */
  #checkBase(): void {
    const { position, digest } = this.#base;
    const genesisFits = position > 0 || digest.equals(this.#owner.genesisDigest);
    const snapshotFits = position !== this.#snapshot?.position || digest.equals(this.#snapshot.digest);
    if (!genesisFits || !snapshotFits) {
      throw new StoreDamageError(`${this.#file}: the digest at position ${position} is altered`);
    }
    this.read(position, 1);
  }

  #create(incarnation: Uint8Array): ReplicaMeta {
    const meta: ReplicaMeta = {
      promised: 0,
      logEpoch: 0,
      incarnation: Uint8Array.from(incarnation),
      blank: true,
      members: new Uint8Array(48),
      stamp: new Uint8Array(32),
      statementVersion: 0,
      statementDigest: null,
    };
    this.#write("create", 0, () => {
      this.#sql.putMeta.run(this.#rowOf(meta));
      this.#sql.putBase.run(0, Buffer.from(this.#owner.genesisDigest));
    });
    return meta;
  }
}
