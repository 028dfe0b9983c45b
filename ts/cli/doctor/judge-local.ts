/** What can be found on the machine of a server only: its configuration and keys, its disk. */
import type { LocalFacts } from "./facts.js";
import { type Finding, well } from "./finding.js";

const SLOW_SYNC_MS = 20;
const VERY_SLOW_SYNC_MS = 100;
const LITTLE_SPACE = 1024 ** 3;
const NO_SPACE = 100 * 1024 ** 2;

/** Findings about the configuration that was given, if one was. */
export function judgeLocal(local: LocalFacts | null): Finding[] {
  if (local === null) return [];
  const { file, fault, sameSystem, state } = local;
  const findings: Finding[] = [];
  if (fault === null)
    findings.push(well("configuration", file, "loads, its keys belong to the system and are for their owner only"));
  else if (fault.code === "ERR_TMR_KEY") {
    const advice = "chmod 600 the key file, or bring the one that belongs here; then think about who may have read it.";
    findings.push({ check: "keys", where: file, level: "problem", found: fault.message, advice, see: "keys" });
  } else {
    const advice = "Correct every place that is named; the server would not start again like this.";
    findings.push({ check: "configuration", where: file, level: "problem", found: fault.message, advice, see: "keys" });
  }
  if (sameSystem === false) {
    const advice = "Bring the one system.toml to all five servers and to clients.";
    const found = "its system.toml is another one than the one given by --system";
    findings.push({ check: "configuration", where: file, level: "problem", found, advice, see: "keys" });
  }
  if (state !== null) findings.push(...judgeDisk(state, local.kind === "TMR server"));
  return findings;
}

function judgeDisk(state: NonNullable<LocalFacts["state"]>, seldomWrites: boolean): Finding[] {
  const { folder, freeBytes, syncMs, syncFault } = state;
  const at = { where: folder, see: "disks" };
  const free = `${(freeBytes / 1024 ** 2).toFixed(0)} MiB free`;
  const spaceAdvice = "Free space before it is full: a write that fails ends the process.";
  const space: Finding =
    freeBytes >= LITTLE_SPACE
      ? well("disk space", folder, free)
      : {
          ...at,
          check: "disk space",
          level: freeBytes < NO_SPACE ? "problem" : "warning",
          found: free,
          advice: spaceAdvice,
        };
  if (syncMs === null) {
    const found = `no durable write: ${syncFault ?? "not tried"}`;
    const advice = "Run this as the user of the server, on its machine; if that is what you did, the disk refuses.";
    return [space, { ...at, check: "disk speed", level: "problem", found, advice }];
  }
  const found = `a durable write takes ${syncMs.toFixed(1)} ms`;
  if (syncMs <= SLOW_SYNC_MS || seldomWrites) return [space, well("disk speed", folder, found)];
  const advice = "Give the state a local disk that syncs quickly: every answer waits for it.";
  const level = syncMs > VERY_SLOW_SYNC_MS ? "problem" : "warning";
  return [space, { ...at, check: "disk speed", level, found, advice }];
}
