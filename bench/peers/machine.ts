/** What a figure needs beside it to be read: the machine, its disk, the versions of the peers. */
import { execFileSync } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Machine } from "./report/document.js";
import { median } from "./report/statistics.js";

const PACKAGES = ["etcd-server", "redis-server", "zookeeper", "postgresql", "haproxy"];
const TMPFS = 0x01021994;
const SYNCS = 50;

/** Whether a folder is in memory. */
export function isInMemory(folder: string): boolean {
  return statfsSync(folder).type === TMPFS;
}

export function describeMachine(dir: string): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? "unknown",
    cores: all.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.versions.node,
    fileSystem: execFileSync("df", ["--output=fstype", dir], { encoding: "utf8" }).split("\n")[1]?.trim() ?? "unknown",
    fdatasyncMs: fdatasyncMs(dir),
    loadAverage: loadavg()[0] ?? 0,
  };
}

/** `etcd-server 3.4.23-4`, of those that Debian's package manager knows. */
export function packageVersions(): string[] {
  return PACKAGES.flatMap((name) => {
    try {
      const format = ["Package", "Version"].map((field) => `$\{${field}}`).join(" ");
      return [
        execFileSync("dpkg-query", ["-W", "-f", format, name], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
        }),
      ];
    } catch {
      return [];
    }
  });
}

function fdatasyncMs(dir: string): number {
  const file = join(dir, "sync-probe");
  const block = Buffer.alloc(4096, 1);
  const fd = openSync(file, "w");
  const times = Array.from({ length: SYNCS }, () => {
    const begin = performance.now();
    writeSync(fd, block);
    fdatasyncSync(fd);
    return performance.now() - begin;
  });
  closeSync(fd);
  rmSync(file);
  return median(times);
}
