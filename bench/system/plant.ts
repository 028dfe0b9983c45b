/** The system that is measured: five real processes on loopback, in a folder of its own. */
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createFirm } from "../../ts/central/firm.js";
import { type CreatedSystem, createSystem } from "../../ts/central/found-system.js";
import { issue } from "../../ts/central/issue.js";
import { freePorts, type ProcessDescription, Processes } from "../../ts/cli/demo/processes.js";
import { queryStatus } from "../../ts/client/query-status.js";
import type { OrderingLimits } from "../../ts/engine/types.js";
import type { ServerStatus } from "../../ts/wire/server-status.js";

const programFile = fileURLToPath(new URL("../../ts/cli/main.js", import.meta.url));

export const FIRM_CODE = 6_000_010;
/** More seats than any run has checkouts in flight. */
export const POOL = { productCode: 1, quantity: 1_000_000 } as const;
/** Half as many seats as the contended run has clients. */
export const SCARCE = { productCode: 2, quantity: 32 } as const;

const licensesToml = [POOL, SCARCE]
  .map(
    ({ productCode, quantity }) => `[[license]]
id = "product-${productCode}"
productCode = ${productCode}
text = "Floating, ${quantity} seats"
quantity = ${quantity}
`,
  )
  .join("\n");

export interface PlantOptions {
  /** false: the upstreams acknowledge what is not on their disk yet */
  readonly durable: boolean;
  /** of the TMR servers, where not the default */
  readonly limits?: Partial<OrderingLimits>;
  /** further arguments of node for one process, by its name */
  readonly nodeArguments?: (name: string) => readonly string[];
}

export class BenchPlant {
  readonly system: CreatedSystem;
  readonly processes: Processes;
  readonly upstreams: readonly [ProcessDescription, ProcessDescription, ProcessDescription];
  readonly servers: readonly [ProcessDescription, ProcessDescription];
  /** of the processes that run, by name */
  readonly pids = new Map<string, number>();
  readonly dir: string;
  readonly logDir: string;
  #wasWhole = false;

  private constructor(dir: string, logDir: string, system: CreatedSystem, options: PlantOptions) {
    this.dir = dir;
    this.logDir = logDir;
    this.system = system;
    this.processes = new Processes(programFile, logDir, options.nodeArguments);
    const upstream = (i: 0 | 1 | 2): ProcessDescription => ({
      name: `upstream-${i + 1}`,
      role: "upstream",
      config: system.upstreamFiles[i],
    });
    const server = (i: 0 | 1): ProcessDescription => ({
      name: i === 0 ? "tmr-a" : "tmr-b",
      role: "server",
      config: system.serverFiles[i],
    });
    this.upstreams = [upstream(0), upstream(1), upstream(2)];
    this.servers = [server(0), server(1)];
  }

  /** Founds the system, starts the five and waits until three upstreams are in step and one twin is passive. */
  static async start(options: PlantOptions): Promise<BenchPlant> {
    const dir = mkdtempSync(join(tmpdir(), "tmr-bench-"));
    const ports = (await freePorts(7)) as [number, number, number, number, number, number, number];
    const centralDir = join(dir, "central");
    const firm = createFirm(centralDir, { firmCode: FIRM_CODE, name: "Test firm" });
    const system = createSystem(join(dir, "plant"), {
      name: "bench",
      clients: [ports[0], ports[1]],
      twins: [ports[2], ports[3]],
      upstreams: [ports[4], ports[5], ports[6]],
      firms: [firm],
      logLevel: "warn",
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    });
    if (!options.durable) {
      for (const file of system.upstreamFiles) appendFileSync(file, "\n[store]\ndurable = false\n");
    }
    const licenses = join(dir, "licenses.toml");
    writeFileSync(licenses, licensesToml);
    const folder = join(dir, "containers");
    const issued = await issue({ dir: centralDir, system: system.systemFile, licenses, folder, as: "new" });
    for (const { upstream, file } of issued.containers) {
      copyFileSync(file, join(system.containerDirs[(upstream - 1) as 0 | 1 | 2], "plant.tmrc"));
    }
    const logDir = join(dir, "logs");
    mkdirSync(logDir);
    const plant = new BenchPlant(dir, logDir, system, options);
    plant.#endWithThisProcess();
    for (const process of [...plant.upstreams, ...plant.servers]) plant.startProcess(process);
    await plant.whole();
    return plant;
  }

  /** Nothing is left behind when the benchmark is interrupted: the five have a process group of their own. */
  #endWithThisProcess(): void {
    process.once("exit", () => {
      this.processes.killAll();
      // Logs of a system that never came up are still wanted.
      if (this.#wasWhole) rmSync(this.dir, { recursive: true, force: true });
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  }

  startProcess(process: ProcessDescription): void {
    this.pids.set(process.name, this.processes.start(process));
  }

  async kill(name: string): Promise<void> {
    await this.processes.kill(name);
    this.pids.delete(name);
  }

  /** Ports of the two TMR servers for clients. */
  get clientPorts(): readonly [number, number] {
    const [a, b] = this.system.system.servers.map(({ clients }) => Number(clients.split(":").at(-1)));
    return [a ?? 0, b ?? 0];
  }

  async statuses(): Promise<ServerStatus[]> {
    const { servers, clientKey } = this.system.system;
    const asked = servers.map((server) => queryStatus(server.clients, clientKey, 2_000).catch(() => null));
    return (await Promise.all(asked)).filter((status) => status !== null);
  }

  /** The server that serves now, when nothing is missing: a passive twin, three upstreams in step. */
  async whole(): Promise<ServerStatus> {
    const endMs = performance.now() + 60_000;
    while (performance.now() < endMs) {
      const statuses = await this.statuses();
      const active = statuses.find((status) => status.role === "active");
      const passive = statuses.some((status) => status.role === "passive" && status.peer.connected);
      const inStep = active?.upstreams.filter((upstream) => upstream.state === "streaming").length ?? 0;
      // Both licenses are there when no copy of them is alone.
      if (active !== undefined && passive && inStep === 3 && active.oddLicenses === 0) {
        this.#wasWhole = true;
        return active;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the system is not whole within 60 s; logs: ${this.logDir}`);
  }

  async stop(): Promise<void> {
    await this.processes.stopAll();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
