/** Samples one running process with `perf` (Debian package linux-perf). */
import { execFile, spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { promisify } from "node:util";
import { type Folded, foldScript } from "./stacks.js";

/** Off the round thousand: samples shall not fall into step with timers. */
const SAMPLES_PER_SECOND = 1499;
const MAX_SCRIPT_BYTES = 2 ** 30;

/** Arguments of node with which perf can name JavaScript functions. */
export const NODE_ARGUMENTS = ["--perf-basic-prof", "--interpreted-frames-native-stack"] as const;

export function hasPerf(): boolean {
  return spawnSync("perf", ["--version"], { stdio: "ignore" }).status === 0;
}

/** Samples for `seconds`; rejects with what perf said when it may not. */
export async function record(pid: number, seconds: number, file: string): Promise<void> {
  const options = ["record", "-F", String(SAMPLES_PER_SECOND), "-g", "-o", file, "-p", String(pid)];
  const perf = spawn("perf", [...options, "--", "sleep", String(seconds)], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  perf.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    perf.once("error", reject);
    perf.once("close", resolve);
  });
  if (code !== 0) throw new Error(`perf record: ${said.trim()}`);
}

/** The stacks of a recording. Needs what node wrote for perf, so call it before {@link forget}. */
export async function stacksOf(file: string): Promise<Folded[]> {
  const fields = ["script", "-i", file, "--no-inline", "-F", "comm,tid,ip,sym,dso"];
  const { stdout } = await promisify(execFile)("perf", fields, { maxBuffer: MAX_SCRIPT_BYTES });
  return foldScript(stdout);
}

/** Removes the list of functions that node writes for perf. */
export function forget(pid: number): void {
  rmSync(`/tmp/perf-${pid}.map`, { force: true });
}
