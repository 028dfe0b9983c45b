/** A whole TMR system of five real processes for tests, in a folder of its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPlant, type Plant, type PlantPlan } from "../../ts/cli/demo/plant.js";
import { Processes } from "../../ts/cli/demo/processes.js";
import { queryStatus } from "../../ts/client/query-status.js";
import type { ServerStatus } from "../../ts/wire/server-status.js";

export const programFile = fileURLToPath(new URL("../../ts/cli/main.js", import.meta.url));

/** A license with a single seat: one that is lost or doubled shows at the next access. */
export const ONE_SEAT = { firmCode: 6_000_010, productCode: 80 };

/** Asks until the condition holds; the deadline is an error, never a verdict on speed. */
export async function until<T>(what: string, ask: () => Promise<T | null>, deadlineMs = 30_000): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  let last: unknown = null;
  while (performance.now() < endMs) {
    const answer = await ask().catch((error: unknown) => {
      last = error;
      return null;
    });
    if (answer !== null) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what}: not within ${deadlineMs} ms`, { cause: last });
}

export class RunningPlant {
  readonly plant: Plant;
  readonly processes: Processes;

  private constructor(plant: Plant) {
    this.plant = plant;
    this.processes = new Processes(programFile, plant.logDir);
  }

  /** Starts all five, after `prepare`, and waits until three upstreams are in step and the twin is passive. */
  static async start(prepare: (plant: Plant) => void = () => undefined, plan?: PlantPlan): Promise<RunningPlant> {
    const running = new RunningPlant(await buildPlant(mkdtempSync(join(tmpdir(), "tmr-test-")), plan));
    prepare(running.plant);
    for (const process of running.all) running.processes.start(process);
    await running.whole();
    return running;
  }

  get systemFile(): string {
    return this.plant.system.systemFile;
  }

  get all() {
    return [...this.plant.upstreams, ...this.plant.servers];
  }

  async statuses(): Promise<ServerStatus[]> {
    const { system } = this.plant.system;
    const asked = system.servers.map((server) =>
      queryStatus(server.clients, system.clientKey, 1_000).catch(() => null),
    );
    return (await Promise.all(asked)).filter((status) => status !== null);
  }

  active(): Promise<ServerStatus> {
    return until("an active TMR server", async () => (await this.statuses()).find((s) => s.role === "active") ?? null);
  }

  /** Resolves when nothing is missing: one active, one passive twin, three upstreams in step. */
  async whole(): Promise<void> {
    await until("a whole system", async () => {
      const statuses = await this.statuses();
      const active = statuses.find((status) => status.role === "active");
      const passive = statuses.find((status) => status.role === "passive" && status.peer.connected);
      const inStep = active?.upstreams.filter((upstream) => upstream.state === "streaming").length ?? 0;
      return passive !== undefined && inStep === 3 ? true : null;
    });
  }

  /** What the processes logged, for the message of a failed test. */
  logs(): string {
    return this.all
      .map(({ name }) => `--- ${name}\n${readFileSync(join(this.plant.logDir, `${name}.log`), "utf8").slice(-4000)}`)
      .join("\n");
  }

  async stop(): Promise<void> {
    await this.processes.stopAll();
    rmSync(this.plant.dir, { recursive: true, force: true });
  }
}
