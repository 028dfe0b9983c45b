/**
 * `npm run test:network`: keepalived and the five servers on hosts made of network namespaces, hurt in every way of
 * test/network/faults.ts. Exit code 1 when a seat was lost or doubled, a fenced server answered, or a call failed; how
 * long clients waited is told, not judged.
 */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runtimeFault } from "../../ts/cli/runtime.js";
import { faults } from "./faults.js";
import { reportOf, reportText } from "./report.js";
import { runNetwork } from "./run.js";

const USAGE = `usage: npm run test:network -- [--rounds N] [--only NAME,...] [--seed N] [--json] [--keep]
  --rounds N    how often each fault is inflicted, default 5: the table shows medians
  --only NAME   only these faults: ${faults.map(({ name }) => name).join(", ")}
  --seed N      of lost and delayed packets; default: chosen and printed
  --json        print one JSON document
  --keep        keep the history and the logs
`;

function readOptions() {
  const fault = runtimeFault(process.versions.node);
  if (fault !== null) throw new Error(fault);
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      only: { type: "string" },
      seed: { type: "string" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: expected a whole number, received ${values.rounds}`);
  const names = values.only?.split(",") ?? faults.map(({ name }) => name);
  const unknown = names.filter((name) => !faults.some((fault) => fault.name === name));
  if (unknown.length > 0) throw new Error(`--only: there is no fault ${unknown.join(", ")}`);
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  return { ...values, rounds, seed, faults: faults.filter(({ name }) => names.includes(name)) };
}

/** What is missing on this machine, in words; null when everything is there. */
function missing(): string | null {
  if (process.getuid?.() !== 0) return "network namespaces need root: run this as root, in a container";
  for (const [program, args] of [
    ["keepalived", ["--version"]],
    ["ip", ["-V"]],
    ["nft", ["--version"]],
    ["ps", ["--version"]],
    ["python3", ["--version"]],
  ] as const) {
    try {
      execFileSync(program, args, { stdio: "ignore" });
    } catch {
      return `${program} is not there: apt-get install keepalived iproute2 nftables procps python3`;
    }
  }
  return null;
}

async function main(options: ReturnType<typeof readOptions>): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "tmr-network-"));
  const startMs = performance.now();
  const result = await runNetwork({
    ...options,
    dir,
    progress: (text) =>
      process.stderr.write(`${((performance.now() - startMs) / 1_000).toFixed(1).padStart(6)} s  ${text}\n`),
  });
  const report = reportOf(options.seed, result);
  const good = report.violations.length === 0 && report.seatsLost === 0;
  process.stdout.write(
    options.json ? `${JSON.stringify(report, null, 2)}\n` : `seed ${options.seed}\n\n${reportText(report)}`,
  );
  if (options.keep || !good) process.stderr.write(`history and logs: ${dir}\n`);
  else rmSync(dir, { recursive: true, force: true });
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
  const lack = missing();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
  if (lack !== null) {
    process.stderr.write(`${lack}\n`);
    process.exitCode = 2;
  } else process.exitCode = await main(options);
}
