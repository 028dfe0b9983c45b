/** A TMR system of five processes as a stage of the tour. */
import { appendFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { queryStatus } from "../../client/query-status.js";
import { buildPlant, type Plant } from "../demo/plant.js";
import type { ProcessDescription, Processes } from "../demo/processes.js";
import { tourPlan } from "./licenses.js";
import { awaited, firmKeyOf, type Stage, trackingToml } from "./scene.js";

const ANSWER_MS = 1_000;

/** Starts five processes in `dir`; resolves when three upstreams are in step and have stated what they hold. */
export async function startTmrStage(dir: string, processes: Processes): Promise<Stage> {
  const plant = await buildPlant(join(dir, "tmr"), tourPlan);
  for (const { config } of plant.servers) appendFileSync(config, trackingToml);
  for (const process of [...plant.upstreams, ...plant.servers]) processes.start(process);
  await activeTwin(plant, true);
  const active = async (): Promise<ProcessDescription> => plant.servers[await activeTwin(plant, false)];
  return {
    name: "TMR system",
    dir: plant.dir,
    firmKey: firmKeyOf(plant.system.system),
    stateFolders: plant.servers.map(({ config }) => join(dirname(config), "state")),
    systemFile: plant.system.systemFile,
    plant,
    processes,
    activeConfig: async () => (await active()).config,
    restart: async () => {
      const server = await active();
      await processes.kill(server.name);
      await activeTwin(plant, false);
      processes.start(server);
    },
  };
}

/** The twin that serves now; `whole`: with three upstreams in step, each of which has stated what it holds. */
function activeTwin({ system: { system } }: Plant, whole: boolean): Promise<0 | 1> {
  return awaited("an active TMR server", async () => {
    for (const { clients } of system.servers) {
      const status = await queryStatus(clients, system.clientKey, ANSWER_MS).catch(() => null);
      if (status?.role !== "active" || !status.quorum) continue;
      const streaming = status.upstreams.filter(({ state }) => state === "streaming").length;
      // The license that differs everywhere is known once all three have stated theirs.
      if (!whole || (streaming === 3 && status.licenses.some(({ verdict }) => verdict === "split"))) return status.twin;
    }
    return null;
  });
}
