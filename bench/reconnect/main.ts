/**
 * `npm run bench:reconnect`: thousands of clients that each hold a license lose their server in one moment. How long until
 * every one of them is served again, and what it costs the server that takes over. docs/benchmarks.md has the method.
 */
import { type ChildProcess, fork } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Machine, machine } from "../system/machine.js";
import { BenchPlant, FIRM_CODE, POOL } from "../system/plant.js";
import { number, textTable } from "../system/table.js";
import type { Order, Storm, Told } from "./clients.js";

const HELP = `npm run bench:reconnect -- [options]
  --clients N     default 5000: each has one session, one connection and one license
  --rounds N      how often the active server is killed; default 3
  --json FILE     everything measured
`;
/** A client that is not served within this time counts as failed. */
const TIMEOUT_MS = 60_000;

interface Round extends Storm {
  /** the server that took over */
  readonly server: string;
  /** handshakes that it did */
  readonly handshakes: number;
  /** CPU time of the server that took over, from the kill to the last client served, ms */
  readonly serverCpuMs: number;
  /** most memory that it ever had in use, bytes */
  readonly peakBytes: number;
}

interface Report {
  readonly machine: Machine;
  readonly clients: number;
  readonly holdMs: number;
  readonly rounds: readonly Round[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "5000" },
      rounds: { type: "string", default: "3" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const report = await measure(count("--clients", values.clients), count("--rounds", values.rounds));
  process.stdout.write(reportText(report));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  return report.rounds.every(({ failed, lost }) => failed.length === 0 && lost === 0) ? 0 : 1;
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`${name}: expected a whole number above 0, received ${JSON.stringify(text)}`);
}

async function measure(clients: number, rounds: number): Promise<Report> {
  const on = machine();
  const plant = await BenchPlant.start({ durable: true, limits: { maxClients: clients + 100 } });
  const factory = new Factory();
  try {
    const { servers, clientKey } = plant.system.system;
    const { tookMs } = await factory.ask("held", {
      type: "hold",
      servers: servers.map((server) => server.clients),
      serverKey: clientKey.toString("base64url"),
      license: { firmCode: FIRM_CODE, productCode: POOL.productCode },
      clients,
      timeoutMs: TIMEOUT_MS,
    });
    const measured: Round[] = [];
    for (let round = 0; round < rounds; round++) measured.push(await killed(plant, factory));
    await factory.ask("ended", { type: "end" });
    return { machine: on, clients, holdMs: tookMs, rounds: measured };
  } finally {
    factory.kill();
    await plant.stop();
  }
}

/** Kills the active server under all its clients; when all are served again, starts it anew as the passive twin. */
async function killed(plant: BenchPlant, factory: Factory): Promise<Round> {
  const active = (await plant.whole()).name;
  const [dead, next] = plant.servers[0].name === active ? plant.servers : [plant.servers[1], plant.servers[0]];
  const pid = plant.pids.get(next.name) ?? 0;
  const cpuBefore = cpuMs(pid);
  const handshakesBefore = await handshakes(plant, next.name);
  const served = factory.ask("served", { type: "storm" }, plant.kill(dead.name));
  const { storm } = await served;
  const serverCpuMs = cpuMs(pid) - cpuBefore;
  const done = (await handshakes(plant, next.name)) - handshakesBefore;
  const round = { ...storm, server: next.name, handshakes: done, serverCpuMs, peakBytes: peakBytes(pid) };
  plant.startProcess(dead);
  return round;
}

/** Client connections that a server has ever accepted. */
async function handshakes(plant: BenchPlant, server: string): Promise<number> {
  const status = (await plant.statuses()).find(({ name }) => name === server);
  return status?.counters["accepted"] ?? Number.NaN;
}

/** The process of the clients. */
class Factory {
  readonly #child: ChildProcess;
  #waiting: { type: Told["type"]; resolve(told: Told): void; reject(error: Error): void } | null = null;

  constructor() {
    this.#child = fork(fileURLToPath(new URL("clients.js", import.meta.url)), { stdio: ["ignore", 2, 2, "ipc"] });
    this.#child.on("message", (told: Told) => {
      if (told.type === this.#waiting?.type) this.#waiting.resolve(told);
    });
    this.#child.on("exit", (code) => this.#waiting?.reject(new Error(`the clients' process ended with ${code}`)));
  }

  /** Sends an order once `before` is done, and resolves to what the clients say of it. */
  async ask<T extends Told["type"]>(
    type: T,
    order: Order,
    before: Promise<void> = Promise.resolve(),
  ): Promise<Extract<Told, { type: T }>> {
    const told = new Promise<Told>((resolve, reject) => {
      this.#waiting = { type, resolve, reject };
    });
    await before;
    this.#child.send(order);
    return (await told) as Extract<Told, { type: T }>;
  }

  kill(): void {
    this.#waiting = null;
    this.#child.kill("SIGKILL");
  }
}

/** User and system time of a process, ms: fields 14 and 15 of its stat, in ticks of 10 ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function peakBytes(pid: number): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (match === null) throw new Error(`process ${pid} does not say its peak memory`);
  return Number(match[1]) * 1024;
}

function reportText({ machine: on, clients, holdMs, rounds }: Report): string {
  const rows = rounds.map((round, i) => {
    const at = (part: number): string => {
      const ms = round.servedMs[Math.ceil(part * round.servedMs.length) - 1];
      return number(ms === undefined ? undefined : ms / 1_000);
    };
    return [
      `${i + 1}: kill -9, ${round.server} takes over`,
      ...[at(0.000_001), at(0.5), at(0.99), at(1)],
      ...[round.failed.length, round.lost, round.dials, round.handshakes].map((value) => value.toLocaleString("en")),
      ...[round.serverCpuMs, round.cpuMs].map((ms) => number(ms / 1_000)),
      number(round.peakBytes / 1e6),
    ];
  });
  const head = [
    ...["round", "first s", "half s", "99 % s", "all s", "failed", "lost", "dials", "handshakes"],
    ...["server CPU s", "clients CPU s", "peak RSS MB"],
  ];
  return [
    `${on.cpu}, ${on.cores} cores, ${on.memoryGb} GB, Linux ${on.kernel}, Node ${on.node}; load average before: ${on.loadAverage.toFixed(2)}`,
    `${clients.toLocaleString("en")} clients hold a license each; taken within ${(holdMs / 1_000).toFixed(1)} s`,
    "",
    textTable(head, rows),
    "",
  ].join("\n");
}

process.exitCode = await main();
