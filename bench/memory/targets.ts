/** What is measured: a standalone license server, or the five processes of a TMR system. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createFirm } from "../../ts/central/firm.js";
import { createStandalone } from "../../ts/central/found-standalone.js";
import { issueStandalone } from "../../ts/central/issue-standalone.js";
import { freePorts, Processes } from "../../ts/cli/demo/processes.js";
import { queryStatus } from "../../ts/client/query-status.js";
import { genesisOf, standaloneGenesisOf } from "../../ts/config/index.js";
import type { AnyGenesis } from "../../ts/license/genesis.js";
import { BenchPlant, FIRM_CODE, POOL } from "../system/plant.js";

/** Servers that run, with what holding handles on them and opening a store of theirs needs. */
export interface Target {
  readonly address: string;
  readonly serverKey: Uint8Array;
  readonly license: { readonly firmCode: number; readonly productCode: number };
  readonly pids: ReadonlyMap<string, number>;
  /** the store that {@link stop} leaves behind */
  readonly store: { readonly file: string; readonly upstream: 1; readonly genesis: AnyGenesis };
  /** Ends the processes in order. */
  stop(): Promise<void>;
  remove(): void;
}

const programFile = fileURLToPath(new URL("../../ts/cli/main.js", import.meta.url));
const license = { firmCode: FIRM_CODE, productCode: POOL.productCode };
const NAME = "license-server";

/** Starts a standalone license server that takes so many clients, and a few to ask how it is. */
export async function standaloneTarget(connections: number): Promise<Target> {
  const dir = mkdtempSync(join(tmpdir(), "tmr-bench-"));
  const central = join(dir, "central");
  const firm = createFirm(central, { firmCode: FIRM_CODE, name: "Test firm" });
  const [port] = await freePorts(1);
  const founded = createStandalone(join(dir, "srv"), {
    name: NAME,
    address: `127.0.0.1:${port}`,
    firms: [firm],
    limits: { maxClients: connections + 100 },
    logLevel: "warn",
  });
  const described = { id: "pool", text: "Floating", featureMap: 0, ...POOL };
  const { systemFile: system, containerDir: folder } = founded;
  await issueStandalone({ dir: central, system, licenses: [described], folder, as: "new" });
  const processes = new Processes(programFile, dir);
  process.once("exit", () => processes.killAll());
  const pid = processes.start({ name: NAME, role: "upstream", config: founded.serverFile });
  const { address, key } = founded.standalone;
  const endMs = performance.now() + 60_000;
  while ((await queryStatus(address, key, 2_000).catch(() => null)) === null) {
    if (performance.now() > endMs) throw new Error(`the license server did not start: see ${dir}`);
  }
  return {
    address,
    serverKey: key,
    license,
    pids: new Map([[NAME, pid]]),
    store: {
      file: join(dir, "srv", "server", "state", "standalone.sqlite"),
      upstream: 1,
      genesis: standaloneGenesisOf(founded.standalone),
    },
    stop: () => processes.stopAll(),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** Starts the five processes of a TMR system. */
export async function systemTarget(connections: number): Promise<Target> {
  const plant = await BenchPlant.start({ durable: true, limits: { maxClients: connections + 100 } });
  const active = await plant.whole();
  const { system } = plant.system;
  const server = system.servers.find(({ name }) => name === active.name) ?? system.servers[0];
  return {
    address: server.clients,
    serverKey: system.clientKey,
    license,
    pids: plant.pids,
    store: {
      file: join(plant.system.dir, "upstream-1", "state", "replica.sqlite"),
      upstream: 1,
      genesis: genesisOf(system),
    },
    stop: () => plant.processes.stopAll(),
    remove: () => rmSync(plant.dir, { recursive: true, force: true }),
  };
}
