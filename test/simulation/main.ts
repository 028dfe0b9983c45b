/**
 * `npm run sim`: random schedules against the production machines, or against mutants of them.
 *   --seeds N [--base B] [--workers W] [--json]     N seeds from B on (a fresh B each time)
 *   --seed N [--trace] [--json]                     one seed; every message and event
 *   --mutants [--json]                              every rule left out in turn: a schedule must break the system
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { type Killed, kill, ruleNames, ruleTexts } from "./mutants.js";
import { runSeed } from "./run-seed.js";
import { type Total, textOf, totalOf } from "./total.js";
import type { Report } from "./world.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    seed: { type: "string" },
    base: { type: "string" },
    workers: { type: "string", default: "2" },
    trace: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function numberOf(text: string, name: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) {
    process.stderr.write(`--${name}: expected a whole number, received ${text}\n`);
    process.exit(2);
  }
  return number;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function printViolation(report: Report): void {
  const { seed, violation, lastEvents } = report;
  if (violation === null) return;
  print(`\nseed ${seed}: ${violation.invariant} does not hold at ${violation.atMs.toFixed(3)} ms: ${violation.what}`);
  print("the last events:");
  for (const line of lastEvents) print(`  ${line}`);
  print(`replay: npm run sim -- --seed ${seed} --trace`);
}

function oneSeed(seed: number): boolean {
  const report = runSeed(seed, values.trace ? print : undefined);
  if (values.json) {
    print(JSON.stringify(report));
  } else {
    printViolation(report);
    print(
      `seed ${seed} (${report.level}): ${report.operations} operations, ${report.messages} messages, ${report.batches} batches`,
    );
    print(`digest ${report.digest}`);
  }
  return report.violation === null;
}

function runShare(first: number, count: number, step: number, take: (report: Report) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: { first, count, step } });
    worker.on("message", take);
    worker.on("error", reject);
    worker.on("exit", () => resolve());
  });
}

async function manySeeds(seeds: number): Promise<boolean> {
  const base = values.base === undefined ? randomInt(1, 0x7fff_0000) : numberOf(values.base, "base");
  const workers = Math.max(1, Math.min(seeds, numberOf(values.workers, "workers")));
  const startedAtMs = performance.now();
  const total: Total = totalOf(base);
  const shares = Array.from({ length: workers }, (_, i) =>
    runShare(base + i, Math.ceil((seeds - i) / workers), workers, (report) => {
      total.add(report);
      if (!values.json) printViolation(report);
      progress(`${total.seeds} of ${seeds} seeds, ${total.violations.length} violations`);
    }),
  );
  await Promise.all(shares);
  progress("");
  const { user, system } = process.cpuUsage();
  const spent = { cpuSeconds: (user + system) / 1e6, wallSeconds: (performance.now() - startedAtMs) / 1e3 };
  print(values.json ? JSON.stringify({ ...total.summary(), ...spent }) : textOf(total.summary(), spent));
  return total.violations.length === 0 && total.seeds === seeds;
}

function allMutants(): boolean {
  const killed: Killed[] = [];
  const alive: string[] = [];
  for (const rule of ruleNames) {
    progress(`without ${rule}`);
    const found = kill(rule);
    progress("");
    if (found === null) alive.push(rule);
    else killed.push(found);
    if (values.json) continue;
    print(`${found === null ? "SURVIVED" : "killed  "}  ${ruleTexts[rule]} (${rule})`);
    if (found !== null) print(`          ${found.by}: ${found.invariant}: ${found.what}`);
  }
  if (values.json) print(JSON.stringify({ killed, alive }));
  else print(`${ruleNames.length} mutants, ${killed.length} killed, ${alive.length} survived`);
  return alive.length === 0;
}

async function main(): Promise<boolean> {
  if (values.mutants) return allMutants();
  if (values.seed !== undefined) return oneSeed(numberOf(values.seed, "seed"));
  return manySeeds(numberOf(values.seeds ?? "200", "seeds"));
}

process.exitCode = (await main()) ? 0 : 1;
