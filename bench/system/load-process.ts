/**
 * The load process: takes one {@link LoadOrder} as its argument, drives the native load, and says on its output what it
 * does. It does nothing else, because the calls of the load block.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { factsOf, type ProcessFacts } from "./facts.js";
import type { Load, LoadOptions, LoadOrder, LoadReport } from "./load-types.js";

const OPEN_LIMIT_MS = 20_000;
const DRAIN_LIMIT_MS = 20_000;

interface LoadAddon {
  readonly Load: new (options: LoadOptions) => Load;
}

function loadAddon(): LoadAddon {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "binding.gyp"))) folder = dirname(folder);
  const file = join(folder, "build", "Release", "tmr_load.addon");
  if (!existsSync(file)) throw new Error("the load generator is not built: run `npm run build:bench`");
  const addon = { exports: {} as LoadAddon };
  process.dlopen(addon, file);
  return addon.exports;
}

function say(report: LoadReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function facts(pids: LoadOrder["pids"]): Record<string, ProcessFacts | null> {
  return Object.fromEntries(
    Object.entries(pids).map(([name, pid]) => {
      try {
        return [name, factsOf(pid)];
      } catch {
        return [name, null];
      }
    }),
  );
}

function run(order: LoadOrder): void {
  const { serverKey, warmUpMs, windowMs, pids, ...options } = order;
  const load = new (loadAddon().Load)({ ...options, serverKey: Buffer.from(serverKey, "base64url") });
  if (!load.open(OPEN_LIMIT_MS)) throw new Error(`not all ${order.clients} sessions are open after 20 s`);
  say({ event: "opened" });
  load.start();
  load.run(warmUpMs);
  // Asked twice: the first time is slow, and would be part of the window.
  facts(pids);
  load.run(100);
  const before = facts(pids);
  const cpuBefore = process.cpuUsage();
  const beganMs = performance.now();
  load.beginWindow();
  say({ event: "window" });
  load.run(windowMs);
  load.endWindow();
  const tookMs = performance.now() - beganMs;
  const cpu = process.cpuUsage(cpuBefore);
  const after = facts(pids);
  say({ event: "window-end" });
  const unanswered = load.drain(DRAIN_LIMIT_MS);
  const result = load.result();
  if (unanswered > 0) throw new Error(`${unanswered} checkouts were never answered`);
  const unclosed = load.close(OPEN_LIMIT_MS);
  if (unclosed > 0) throw new Error(`${unclosed} sessions did not close`);
  say({ event: "result", result, windowMs: tookMs, before, after, loadCpuMs: (cpu.user + cpu.system) / 1000 });
}

try {
  run(JSON.parse(process.argv[2] ?? "null") as LoadOrder);
} catch (error) {
  say({ event: "failed", reason: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
