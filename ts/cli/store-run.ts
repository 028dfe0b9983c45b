/** `tmr store`: checking, exporting and restoring the store of an upstream or of a standalone license server. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { queryStatus } from "../client/query-status.js";
import {
  genesisOf,
  isStandaloneConfig,
  loadStandaloneConfig,
  loadUpstreamConfig,
  type System,
  standaloneGenesisOf,
} from "../config/index.js";
import { loadEngine } from "../engine/index.js";
import { TmrError } from "../errors.js";
import { type AnyGenesis, genesisDigest } from "../license/genesis.js";
import { STANDALONE_STORE_NAME } from "../standalone/server.js";
import { copyStore } from "../store/copy-store.js";
import { restoringFile } from "../store/database.js";
import { type ExportHead, readExport, syncFolderOf, writeExport } from "../store/export-file.js";
import { SqliteStore, storeFiles } from "../store/sqlite-store.js";
import type { StoreOwner } from "../store/store.js";
import { inspectStore, type StoreReport } from "../upstream/inspect-store.js";
import { licensePorts, licenseStates } from "../upstream/license-ports.js";
import { STORE_NAME } from "../upstream/open-replica.js";
import { packageVersion } from "../version.js";

/** The store that a configuration names, and whose it is. */
export interface NamedStore {
  readonly kind: "upstream" | "standalone";
  readonly name: string;
  readonly folder: string;
  readonly file: string;
  readonly owner: StoreOwner;
  readonly genesis: AnyGenesis;
  /** null: a standalone license server is in no system */
  readonly system: System | null;
}

/** Reads upstream.toml of either kind. Throws as its loaders do. */
export function storeOf(config: string): NamedStore {
  const { sha256 } = licensePorts(loadEngine());
  if (isStandaloneConfig(config)) {
    const { name, state: folder, standalone } = loadStandaloneConfig(config);
    const genesis = standaloneGenesisOf(standalone);
    const owner: StoreOwner = { upstream: 1, genesisDigest: genesisDigest(genesis, sha256) };
    return {
      kind: "standalone",
      name,
      folder,
      file: join(folder, STANDALONE_STORE_NAME),
      owner,
      genesis,
      system: null,
    };
  }
  const { name, state: folder, id, system } = loadUpstreamConfig(config);
  const genesis = genesisOf(system);
  const owner: StoreOwner = { upstream: id, genesisDigest: genesisDigest(genesis, sha256) };
  return { kind: "upstream", name, folder, file: join(folder, STORE_NAME), owner, genesis, system };
}

/** Checks the store, or an export of it. The store is copied first: its server may run, and nothing of it is touched. */
export function checkStore(store: NamedStore, exported: string | undefined): StoreReport {
  return withCopy((copy) => {
    if (exported === undefined) copyStore(store.file, copy);
    else belongs(store, readExport(exported, copy), exported);
    return inspected(store, copy);
  });
}

/** Writes a checked, consistent copy of the store to a new file. */
export function exportStore(store: NamedStore, out: string): ExportHead {
  if (existsSync(out)) {
    throw new TmrError("ERR_TMR_FILE", `cannot write ${out}: it is already there; an export never overwrites`);
  }
  return withCopy((copy) => {
    copyStore(store.file, copy);
    const { format, incarnation, promised, logEpoch, position, digest, upstream } = inspected(store, copy);
    const head = {
      kind: store.kind,
      name: store.name,
      upstream,
      genesis: Buffer.from(store.owner.genesisDigest).toString("hex"),
      storeFormat: format,
      incarnation,
      promised,
      logEpoch,
      position,
      digest,
      takenAt: new Date().toISOString(),
      release: packageVersion(),
    };
    return writeExport(out, head, copy);
  });
}

/** How a store came back. */
export interface Restored {
  readonly head: ExportHead;
  /** true: with a new identity and nothing in it, to be filled by the other upstreams */
  readonly blank: boolean;
}

/**
 * Puts an export back into a state folder without a store. An upstream of a TMR system comes back blank, with a new identity,
 * because its copy would deny what it confirmed since (protocol.md rules 8 and 17); with `acceptLoss` it comes back as it
 * was, and that is refused while the system serves without it. A standalone license server comes back as it was.
 */
export async function restoreStore(
  store: NamedStore,
  file: string,
  { acceptLoss, timeoutMs }: { readonly acceptLoss: boolean; readonly timeoutMs: number },
): Promise<Restored> {
  refuseOccupied(store);
  if (acceptLoss && store.system !== null) await refuseWhileServed(store.system, timeoutMs);
  const blank = store.kind === "upstream" && !acceptLoss;
  return withCopy((copy) => {
    const head = readExport(file, copy);
    belongs(store, head, file);
    inspected(store, copy);
    if (blank) {
      for (const path of storeFiles(copy)) rmSync(path, { force: true });
      makeBlank(store, copy, head.promised);
    }
    install(store, copy);
    return { head, blank };
  });
}

function inspected({ owner, genesis }: NamedStore, copy: string): StoreReport {
  const ports = licensePorts(loadEngine());
  return inspectStore({ file: copy, owner, states: licenseStates(genesis, ports), sha256: ports.sha256 });
}

/** A store that nobody has admitted. It remembers how high an epoch was promised: no older leader may fill it. */
function makeBlank({ owner }: NamedStore, file: string, promised: number): void {
  const store = new SqliteStore({ ...owner, file, newIncarnation: randomBytes(16) });
  store.writeMeta({ promised });
  store.close();
}

function belongs({ owner, kind, name }: NamedStore, head: ExportHead, file: string): void {
  const sameSystem = head.genesis === Buffer.from(owner.genesisDigest).toString("hex");
  if (sameSystem && head.kind === kind && head.upstream === owner.upstream) return;
  const what = head.kind === "standalone" ? "a standalone license server" : `upstream ${head.upstream}`;
  throw new TmrError(
    "ERR_TMR_STORE",
    `${file} is of ${what} (${JSON.stringify(head.name)}) of ${sameSystem ? "this" : "another"} system, expected ${JSON.stringify(name)} of this one`,
  );
}

function refuseOccupied({ folder, file }: NamedStore): void {
  const there = storeFiles(file).find((path) => existsSync(path));
  if (there === undefined) return;
  throw new TmrError(
    "ERR_TMR_FILE",
    `${folder} has a store already (${there}); a restore never overwrites: stop the server and move that store away`,
  );
}

/** An old copy in a system that serves could only be wrong: the two others have everything. */
async function refuseWhileServed(system: System, timeoutMs: number): Promise<void> {
  const asked = system.servers.map(({ clients }) =>
    queryStatus(clients, system.clientKey, timeoutMs).catch(() => null),
  );
  const serving = (await Promise.all(asked)).find((status) => status?.role === "active" && status.quorum);
  if (serving === undefined || serving === null) return;
  throw new TmrError(
    "ERR_TMR_STATE",
    `${serving.name} serves: the other upstreams have everything, and an old copy would deny it; restore without --accept-loss, and they fill this one`,
  );
}

/** Into the state folder under another name, durably, then renamed: it is there whole or not at all. */
function install({ folder, file }: NamedStore, copy: string): void {
  const half = restoringFile(file);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    rmSync(half, { force: true });
    copyDurably(copy, half);
    // Run by root, for a server that runs as somebody else.
    const { uid, gid } = statSync(folder);
    if (process.getuid?.() === 0) chownSync(half, uid, gid);
    renameSync(half, file);
    syncFolderOf(file);
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `the store cannot be written into ${folder}: ${String(cause)}`, { cause });
  }
}

function copyDurably(from: string, to: string): void {
  copyFileSync(from, to);
  chmodSync(to, 0o600);
  const descriptor = openSync(to, "r+");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Runs `use` with the name of a file in a folder that only this user can read, and that is gone afterwards. */
function withCopy<T>(use: (copy: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "tmr-store-"));
  try {
    return use(join(folder, "copy.sqlite"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
