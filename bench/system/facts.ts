/** What Linux says about a process: CPU time, memory, system calls that moved bytes. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface ProcessFacts {
  /** user and system time since its start, all threads */
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** calls of read and write and their variants since its start; null where the kernel does not say */
  readonly ioCalls: number | null;
}

let ticksPerSecond: number | undefined;

/** Throws when there is no such process. */
export function factsOf(pid: number): ProcessFacts {
  ticksPerSecond ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold anything: the fields are counted from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuMs: (ticks * 1000) / ticksPerSecond,
    residentBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
    ioCalls: ioCallsOf(pid),
  };
}

function ioCallsOf(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/io`, "utf8");
    return Number(/^syscr: (\d+)$/m.exec(text)?.[1]) + Number(/^syscw: (\d+)$/m.exec(text)?.[1]);
  } catch {
    return null;
  }
}
