/** A standalone license server as a stage of the tour: one process, ordinary licenses, the same rules. */
import { appendFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createFirm } from "../../central/firm.js";
import { createStandalone } from "../../central/found-standalone.js";
import { issueStandalone } from "../../central/issue-standalone.js";
import { queryStatus } from "../../client/query-status.js";
import { FIRM_CODE } from "../demo/licenses.js";
import { freePorts, type ProcessDescription, type Processes } from "../demo/processes.js";
import { licensesToml, tourPlan } from "./licenses.js";
import { awaited, firmKeyOf, type Stage, trackingToml } from "./scene.js";

const ANSWER_MS = 1_000;

/** Starts the server in `dir`; resolves when it serves. */
export async function startStandaloneStage(dir: string, processes: Processes): Promise<Stage> {
  const central = join(dir, "ordinary-central");
  const firm = createFirm(central, { firmCode: FIRM_CODE, name: "Test firm" });
  const [port] = await freePorts(1);
  const options = { name: "license-server", address: `127.0.0.1:${port}`, firms: [firm] };
  const server = createStandalone(join(dir, "standalone"), {
    ...options,
    ...(tourPlan.session === undefined ? {} : { session: tourPlan.session }),
  });
  appendFileSync(server.serverFile, trackingToml);
  const licenses = join(dir, "ordinary-licenses.toml");
  writeFileSync(licenses, licensesToml);
  await issueStandalone({ dir: central, system: server.systemFile, licenses, folder: server.containerDir, as: "new" });
  const description: ProcessDescription = { name: options.name, role: "upstream", config: server.serverFile };
  const { address, key } = server.standalone;
  const serves = async (): Promise<true | null> => {
    const status = await queryStatus(address, key, ANSWER_MS).catch(() => null);
    return status?.role === "active" ? true : null;
  };
  const start = async (): Promise<void> => {
    processes.start(description);
    await awaited("the standalone license server", serves);
  };
  await start();
  return {
    name: "standalone license server",
    dir: server.dir,
    firmKey: firmKeyOf(server.standalone),
    stateFolders: [join(dirname(server.serverFile), "state")],
    systemFile: server.systemFile,
    plant: null,
    processes,
    activeConfig: () => Promise.resolve(server.serverFile),
    restart: async () => {
      await processes.kill(description.name);
      await start();
    },
  };
}
