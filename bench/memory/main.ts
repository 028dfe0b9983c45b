/**
 * `npm run bench:memory`: what handles that are held cost, in memory of real processes and in snapshots. Linux only: the
 * kernel says how much memory a process has in use. docs/benchmarks.md has the method.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { loadEngine } from "../../ts/engine/index.js";
import { type Machine, machine } from "../system/machine.js";
import { textTable } from "../system/table.js";
import { holdHandles } from "./hold.js";
import { type Recovery, recover } from "./recover.js";
import { standaloneTarget, systemTarget } from "./targets.js";

const HELP = `npm run bench:memory -- [options]
  --target standalone|tmr   a standalone license server, or the five processes of a TMR system. Default standalone
  --sessions N              default 10000
  --handles N               in all; default 100000
  --connections N           the sessions share so many; default: one each
  --limit MB                exit code 1 when a process has more in use while the handles are held
  --json FILE               everything measured
`;

interface ProcessMemory {
  readonly name: string;
  readonly idleBytes: number;
  readonly heldBytes: number;
  readonly peakBytes: number;
}

interface Report {
  readonly machine: Machine;
  readonly target: string;
  readonly sessions: number;
  readonly handles: number;
  readonly connections: number;
  readonly holdMs: number;
  readonly processes: readonly ProcessMemory[];
  readonly recovery: Recovery;
}

/** What has become garbage is given back within this time, as far as it ever is. */
const SETTLE_MS = 5_000;
const MB = 1e6;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      target: { type: "string", default: "standalone" },
      sessions: { type: "string", default: "10000" },
      handles: { type: "string", default: "100000" },
      connections: { type: "string" },
      limit: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.target !== "standalone" && values.target !== "tmr") throw new Error(`--target: standalone or tmr`);
  const sessions = count("--sessions", values.sessions);
  const handles = count("--handles", values.handles);
  const connections = values.connections === undefined ? sessions : count("--connections", values.connections);
  if (handles % sessions !== 0) throw new Error("--handles: expected a multiple of --sessions");
  const report = await measure(values.target, sessions, handles, Math.min(connections, sessions));
  process.stdout.write(reportText(report));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  const limit = values.limit === undefined ? Number.POSITIVE_INFINITY : count("--limit", values.limit) * MB;
  return report.processes.every(({ heldBytes }) => heldBytes <= limit) ? 0 : 1;
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`${name}: expected a whole number above 0, received ${JSON.stringify(text)}`);
}

async function measure(
  target: "standalone" | "tmr",
  sessions: number,
  handles: number,
  connections: number,
): Promise<Report> {
  const engine = loadEngine();
  const on = machine();
  const started = await (target === "tmr" ? systemTarget(connections) : standaloneTarget(connections));
  try {
    const { address, serverKey, license, pids, store } = started;
    const idle = new Map([...pids].map(([name, pid]) => [name, memoryOf(pid, "VmRSS")]));
    const begun = performance.now();
    const handlesPerSession = handles / sessions;
    const end = await holdHandles(engine, { address, serverKey, license, sessions, handlesPerSession, connections });
    const holdMs = performance.now() - begun;
    await sleep(SETTLE_MS);
    const processes = [...pids].map(([name, pid]) => ({
      name,
      idleBytes: idle.get(name) ?? 0,
      heldBytes: memoryOf(pid, "VmRSS"),
      peakBytes: memoryOf(pid, "VmHWM"),
    }));
    end();
    await started.stop();
    const recovery = recover(engine, store.file, store.upstream, store.genesis);
    return { machine: on, target, sessions, handles, connections, holdMs, processes, recovery };
  } finally {
    await started.stop();
    started.remove();
  }
}

function memoryOf(pid: number, what: "VmRSS" | "VmHWM"): number {
  const match = new RegExp(`^${what}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (match === null) throw new Error(`process ${pid} does not say ${what}`);
  return Number(match[1]) * 1024;
}

function reportText(report: Report): string {
  const { machine: on, sessions, handles, connections, holdMs, processes, recovery } = report;
  const mb = (bytes: number): string => (bytes / MB).toFixed(1);
  const rows = processes.map(({ name, idleBytes, heldBytes, peakBytes }) => [
    name,
    mb(idleBytes),
    mb(heldBytes),
    mb(peakBytes),
    String(Math.round((heldBytes - idleBytes) / handles)),
    String(Math.round((heldBytes - idleBytes) / connections)),
  ]);
  const { snapshotBytes, snapshotMs, restoreMs, recoveryMs } = recovery;
  return [
    `${on.cpu}, ${on.cores} cores, ${on.memoryGb} GB, Linux ${on.kernel}, Node ${on.node}`,
    `${handles} handles in ${sessions} sessions over ${connections} connections, taken within ${(holdMs / 1000).toFixed(1)} s`,
    "",
    textTable(["process", "idle MB", "held MB", "peak MB", "B/handle", "B/connection"], rows),
    `snapshot: ${mb(snapshotBytes)} MB (${Math.round(snapshotBytes / handles)} bytes per handle), made in ${snapshotMs.toFixed(0)} ms, restored in ${restoreMs.toFixed(0)} ms`,
    `store to state, snapshot and log: ${recoveryMs.toFixed(0)} ms`,
    "",
  ].join("\n");
}

process.exitCode = await main();
