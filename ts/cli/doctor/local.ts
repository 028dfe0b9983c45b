/** What is on this machine: a server's configuration, its keys, and the disk of its state. */
import { closeSync, existsSync, fdatasyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { valueAt } from "../../config/document.js";
import { Faults } from "../../config/faults.js";
import { isStandaloneConfig, loadServerConfig, loadStandaloneConfig, loadUpstreamConfig } from "../../config/index.js";
import { readToml } from "../../config/toml-file.js";
import { TmrError } from "../../errors.js";
import type { LocalFacts, ServerKind } from "./facts.js";

const WRITES = 50;
const WRITE_BYTES = 4096;
/** A disk that is broken is measured no longer than that. */
const MOST_MS = 5_000;

/** Looks at the configuration `file`, against the description `systemFile`. */
export function localFacts(file: string, systemFile: string): LocalFacts {
  const raw = readToml(file, new Faults());
  const kind = kindOf(file, raw);
  let fault: LocalFacts["fault"] = null;
  try {
    loaders[kind](file);
  } catch (error) {
    if (!(error instanceof TmrError)) throw error;
    fault = { code: error.code, message: error.message };
  }
  const section = kind === "TMR server" ? "server" : "upstream";
  const named = valueAt(raw, [section, "state"]);
  const folder = typeof named === "string" ? resolve(dirname(file), named) : null;
  const path = valueAt(raw, [section, "system"]);
  const own = typeof path === "string" ? contentOf(resolve(dirname(file), path)) : null;
  const asked = contentOf(systemFile);
  const sameSystem = own === null || asked === null ? null : own === asked;
  return { file, kind, fault, sameSystem, state: folder === null ? null : stateFacts(folder) };
}

function kindOf(file: string, raw: unknown): ServerKind {
  if (valueAt(raw, ["server"]) !== undefined) return "TMR server";
  return isStandaloneConfig(file) ? "standalone" : "upstream";
}

/** What a server does when it starts: every check of files and keys. */
const loaders: Readonly<Record<ServerKind, (file: string) => unknown>> = {
  "TMR server": loadServerConfig,
  standalone: loadStandaloneConfig,
  upstream: loadUpstreamConfig,
};

/** A description without its comments: two that say the same are the same. Null when it cannot be read. */
function contentOf(file: string): string | null {
  try {
    return JSON.stringify(readToml(file, new Faults()));
  } catch {
    return null;
  }
}

function stateFacts(folder: string): LocalFacts["state"] {
  // A server that never ran has none yet: its disk is that of the folder above.
  const there = [folder, dirname(folder)].find((path) => existsSync(path));
  if (there === undefined) return { folder, freeBytes: 0, syncMs: null, syncFault: "there is no such folder" };
  const { bavail, bsize } = statfsSync(there);
  const freeBytes = bavail * bsize;
  try {
    return { folder, freeBytes, syncMs: medianSyncMs(there), syncFault: null };
  } catch (error) {
    return { folder, freeBytes, syncMs: null, syncFault: error instanceof Error ? error.message : String(error) };
  }
}

/** How long one small durable write takes in this folder. */
function medianSyncMs(folder: string): number {
  const scratch = mkdtempSync(join(folder, ".tmr-doctor-"));
  try {
    const descriptor = openSync(join(scratch, "sync"), "w", 0o600);
    try {
      const block = Buffer.alloc(WRITE_BYTES, 0x5a);
      const times: number[] = [];
      const endMs = performance.now() + MOST_MS;
      while (times.length < WRITES && (times.length === 0 || performance.now() < endMs)) {
        const startMs = performance.now();
        writeSync(descriptor, block);
        fdatasyncSync(descriptor);
        times.push(performance.now() - startMs);
      }
      return times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
    } finally {
      closeSync(descriptor);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
