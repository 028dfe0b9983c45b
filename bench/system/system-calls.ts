/** I/O system calls of the active TMR server per request, counted by strace in a run of their own: strace slows it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measure, type RunOptions } from "./measure.js";
import type { BenchPlant } from "./plant.js";

const CALLS = [
  "read",
  "readv",
  "write",
  "writev",
  "recvfrom",
  "recvmsg",
  "recvmmsg",
  "sendto",
  "sendmsg",
  "sendmmsg",
  "epoll_wait",
  "epoll_pwait",
  "epoll_pwait2",
  "epoll_ctl",
  "io_uring_enter",
] as const;

export interface SystemCalls {
  readonly title: string;
  readonly requests: number;
  /** calls per request, by name */
  readonly perRequest: Readonly<Record<string, number>>;
  readonly total: number;
}

/** Debian's package of the same name. */
export function hasStrace(): boolean {
  return spawnSync("strace", ["-V"], { stdio: "ignore" }).status === 0;
}

export async function countSystemCalls(
  plant: BenchPlant,
  title: string,
  load: Pick<RunOptions, "clients" | "lanes">,
): Promise<SystemCalls> {
  const { name } = await plant.whole();
  const folder = mkdtempSync(join(tmpdir(), "tmr-strace-"));
  const output = join(folder, "counts");
  const pid = String(plant.pids.get(name));
  const strace = spawn("strace", ["-f", "-c", "-o", output, "-e", `trace=${CALLS.join(",")}`, "-p", pid], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    await attached(strace);
    const { requestsServed } = await measure(plant, { ...load, warmUpMs: 500, windowMs: 2_000 });
    await interrupted(strace);
    return { title, ...perRequest(readFileSync(output, "utf8"), requestsServed ?? 0) };
  } finally {
    strace.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

function attached(strace: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    strace.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (/attached/.test(said)) resolve();
    });
    strace.once("exit", () => reject(new Error(`strace ended: ${said.trim()}`)));
    strace.once("error", reject);
  });
}

function interrupted(strace: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    strace.removeAllListeners("exit");
    strace.once("exit", () => resolve());
    strace.kill("SIGINT");
  });
}

/** A line of `strace -c`: % time, seconds, usecs/call, calls, errors where there are any, name. */
function perRequest(text: string, requests: number): Omit<SystemCalls, "title"> {
  const counted: Record<string, number> = {};
  let total = 0;
  for (const match of text.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$/gm)) {
    const [, calls = "", name = ""] = match;
    if (name === "total") continue;
    counted[name] = Number(calls) / Math.max(1, requests);
    total += Number(calls);
  }
  return { requests, perRequest: counted, total: total / Math.max(1, requests) };
}
