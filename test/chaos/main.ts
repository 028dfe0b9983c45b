/** `npm run chaos`: five real processes, real clients, random faults; exit code 0 only when no client could tell. */
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runtimeFault } from "../../ts/cli/runtime.js";
import { summarize, summaryText } from "./report.js";
import { runChaos } from "./run.js";

const USAGE = `usage: npm run chaos -- [--minutes N] [--seed N] [--clients N] [--json] [--keep]
  --minutes N   how long faults are injected, default 3; fractions are allowed
  --seed N      which faults, 0 to ${2 ** 32 - 1}; default: chosen and printed
  --clients N   client processes, 4 to 8, default 6
  --json        print one JSON document
  --keep        keep the history and the logs
`;

function number(name: string, text: string | undefined, fallback: number, min: number, max: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (text?.trim() !== "" && value >= min && value <= max) return value;
  throw new TypeError(`--${name}: expected a number from ${min} to ${max}, received ${JSON.stringify(text)}`);
}

function minutesAndSeconds(ms: number): string {
  const all = Math.floor(ms / 1000);
  return `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}`;
}

function readOptions() {
  const fault = runtimeFault(process.versions.node);
  if (fault !== null) throw new Error(fault);
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      seed: { type: "string" },
      clients: { type: "string" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
  });
  return {
    durationMs: number("minutes", values.minutes, 3, 0.05, 24 * 60) * 60_000,
    seed: Math.floor(number("seed", values.seed, randomInt(2 ** 32), 0, 2 ** 32 - 1)),
    clients: Math.floor(number("clients", values.clients, 6, 4, 8)),
    json: values.json,
    keep: values.keep,
  };
}

async function main({ durationMs, seed, clients, json, keep }: ReturnType<typeof readOptions>): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "tmr-chaos-"));
  const isTerminal = process.stderr.isTTY;
  if (!json) process.stdout.write(`seed ${seed}, ${clients} clients, faults for ${minutesAndSeconds(durationMs)}\n\n`);
  const { historyFile, lines, verdict } = await runChaos({
    seed,
    durationMs,
    clients,
    dir,
    progress: (elapsedMs, faults, underWay) => {
      if (!isTerminal) return;
      const line = `${minutesAndSeconds(elapsedMs)}  ${faults} faults  ${underWay}`;
      process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
    },
  });
  if (isTerminal) process.stderr.write("\r\u001b[K");
  const summary = summarize(lines, verdict);
  const good = summary.errors + summary.violations === 0;
  const kept = keep || !good;
  if (json) {
    const { errors, violations } = verdict;
    const found = { clientErrors: errors, violationsFound: violations };
    const document = { seed, ...summary, ...found, history: kept ? historyFile : null };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    process.stdout.write(summaryText(summary, verdict, process.stdout.isTTY));
    if (kept) process.stdout.write(`history: ${historyFile}\nlogs: ${join(dir, "logs")}\n`);
  }
  if (!kept) rmSync(dir, { recursive: true, force: true });
  return good ? 0 : 1;
}

let options: ReturnType<typeof readOptions> | null = null;
try {
  options = readOptions();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
if (options !== null) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
  process.exitCode = await main(options);
}
