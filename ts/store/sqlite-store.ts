/**
 * The store as one SQLite file (WAL, synchronous=FULL): one transaction, one fsync per write. Every row carries what
 * is needed to find it altered: batches their chain digest, promises and snapshot a SHA-256 of their own.
 */
import { createHash } from "node:crypto";
import { TmrError } from "../errors.js";
import { type Connection, openDatabase, reading } from "./database.js";
import { MarkFile } from "./mark-file.js";
import { SnapshotSteps } from "./snapshot-steps.js";
import { type DigestRow, type MetaRow, metaSeal, type Statements, snapshotSeal, statementsOf } from "./sqlite-rows.js";
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

function chained(previous: Uint8Array, batch: Uint8Array): Buffer {
  return createHash("sha256").update(previous).update(batch).digest();
}

function infoOf({ position, digest, bytes }: StoredSnapshot) {
  return { position, digest: Buffer.from(digest), byteLength: bytes.length };
}

/** {@link ReplicaStore} on SQLite. */
export class SqliteStore implements ReplicaStore {
  readonly #file: string;
  readonly #owner: StoreOwner;
  readonly #db: Connection;
  readonly #sql: Statements;
  readonly #steps: SnapshotSteps;
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
    this.#db = openDatabase(options.file, options.upstream, options.durable ?? true);
    try {
      this.#sql = reading(options.file, () => statementsOf(this.#db));
      this.#steps = new SnapshotSteps(this.#sql);
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
    let snapshot: StoredSnapshot | null = null;
    let base = this.#base;
    this.#transaction("append", last.position, () => {
      let bytes = 0;
      for (const { position, batch, digest } of entries) {
        this.#sql.insert.run(position, digest, batch);
        bytes += batch.length;
      }
      snapshot = this.#steps.step(bytes);
      base = this.#dropped(this.#steps.dropUpTo(this.#base.position, entries.length));
    });
    this.#last = { position: last.position, digest: Buffer.from(last.digest) };
    this.#base = base;
    if (snapshot !== null) this.#snapshot = infoOf(snapshot);
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
        if (row.position !== expected || !chained(previous as Uint8Array, row.batch).equals(row.digest)) {
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
    this.#steps.forget(position);
    this.#write("cut", position, () => this.#sql.dropAfter.run(position));
    this.#last = { position, digest: Buffer.from(digest) };
  }

  snapshot(): StoredSnapshot | null {
    this.#check();
    return reading(this.#file, () => {
      const row = this.#sql.snapshot.get();
      if (row === undefined) return null;
      const { position, digest, seal, size, parts } = row;
      const bytes = Buffer.concat(this.#sql.parts.all(position, parts).map((part) => part.bytes));
      if (bytes.length !== size || !snapshotSeal(position, digest).update(bytes).digest().equals(seal)) {
        throw new StoreDamageError(`${this.#file}: the snapshot at position ${position} is altered`);
      }
      return { position, digest, bytes };
    });
  }

  snapshotInfo(): { position: number; byteLength: number } | null {
    const info = this.#snapshot;
    return info === null ? null : { position: info.position, byteLength: info.byteLength };
  }

  writeSnapshot(position: number, digest: Uint8Array, bytes: Uint8Array, keepAfter: number): void {
    checkSnapshot(this, position, keepAfter);
    const snapshot: StoredSnapshot = { position, digest: Buffer.from(digest), bytes };
    if (!this.#steps.isSmall(bytes, keepAfter - this.#base.position)) {
      this.#steps.stage(snapshot, keepAfter);
      return;
    }
    let base = this.#base;
    this.#write("snapshot", this.lastPosition, () => {
      this.#steps.writeAll(snapshot);
      base = this.#dropped(keepAfter);
    });
    this.#base = base;
    this.#snapshot = infoOf(snapshot);
  }

  installSnapshot(position: number, digest: Uint8Array, bytes: Uint8Array): void {
    const snapshot: StoredSnapshot = { position, digest: Buffer.from(digest), bytes };
    this.#write("install", position, () => {
      this.#steps.forget(0);
      this.#sql.dropAfter.run(-1);
      this.#sql.putBase.run(position, digest);
      this.#steps.writeAll(snapshot);
    });
    this.#base = { position, digest: Buffer.from(digest) };
    this.#last = this.#base;
    this.#snapshot = infoOf(snapshot);
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

  /** Drops batches up to `position` inside a transaction. Returns where the log begins then. */
  #dropped(position: number): DigestRow {
    if (position <= this.#base.position) return this.#base;
    const row = this.#sql.digestAt.get(position);
    if (row === undefined) throw new StoreDamageError(`${this.#file}: the batch at position ${position} is missing`);
    this.#sql.dropUpTo.run(position);
    this.#sql.putBase.run(position, row.digest);
    return row;
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
      if (cause instanceof StoreDamageError) throw cause;
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
    const row = this.#sql.snapshot.get();
    if (row !== undefined) this.#snapshot = { position: row.position, digest: row.digest, byteLength: row.size };
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
