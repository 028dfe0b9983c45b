/** The machine that the numbers are of. */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { median } from "./table.js";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** of the last minute, before the first run */
  readonly loadAverage: number;
  /** median of 100 writes of 4 KiB, each made durable */
  readonly fdatasyncMs: number;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    loadAverage: loadavg()[0] ?? 0,
    fdatasyncMs: fdatasyncMs(),
  };
}

function fdatasyncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), "tmr-bench-sync-"));
  const block = Buffer.alloc(4096, 1);
  try {
    const file = openSync(join(folder, "file"), "w");
    const times: number[] = [];
    for (let i = 0; i < 100; i++) {
      const beganMs = performance.now();
      writeSync(file, block);
      fdatasyncSync(file);
      times.push(performance.now() - beganMs);
    }
    closeSync(file);
    return median(times);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
