/** What Linux says about a running process. */
import { readdirSync, readFileSync } from "node:fs";

/** Bytes of memory that the process has in use now. */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (match === null) throw new Error(`process ${pid} has no VmRSS`);
  return Number(match[1]) * 1024;
}

/** How many files and sockets the process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
