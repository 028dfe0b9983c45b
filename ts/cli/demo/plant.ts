/** The plant of the demo: a fresh folder with five configured servers and licenses issued in triplicate. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFirm } from "../../central/firm.js";
import { type CreatedSystem, type CreateSystemOptions, createSystem } from "../../central/found-system.js";
import { type Issued, type IssueOptions, issue } from "../../central/issue.js";
import { FIRM_CODE, LONELY_PRODUCT, licensesToml, UNEQUAL_PRODUCT } from "./licenses.js";
import { freePorts, type ProcessDescription } from "./processes.js";

export interface Plant {
  readonly dir: string;
  readonly system: CreatedSystem;
  readonly issued: Issued;
  readonly upstreams: readonly [ProcessDescription, ProcessDescription, ProcessDescription];
  readonly servers: readonly [ProcessDescription, ProcessDescription];
  readonly logDir: string;
}

/** What the firm of a plant sells, and how its servers are set up. */
export interface PlantPlan extends Pick<IssueOptions, "copy">, Pick<CreateSystemOptions, "session"> {
  /** licenses.toml */
  readonly licenses: string;
}

/** The demo's: an update stopped half way, so one product reached upstream 1 only, another is unequal on upstream 3. */
const demoPlan: PlantPlan = {
  licenses: licensesToml,
  copy: (terms, upstream) => {
    if (terms.productCode === LONELY_PRODUCT && upstream !== 1) return null;
    return terms.productCode === UNEQUAL_PRODUCT && upstream === 3 ? { ...terms, quantity: 25 } : terms;
  },
};

/** Writes everything below `dir`. */
export async function buildPlant(dir: string, plan: PlantPlan = demoPlan): Promise<Plant> {
  const ports = (await freePorts(7)) as [number, number, number, number, number, number, number];
  const centralDir = join(dir, "central");
  const firm = createFirm(centralDir, { firmCode: FIRM_CODE, name: "Test firm" });
  const system = createSystem(join(dir, "plant"), {
    name: "plant-1",
    clients: [ports[0], ports[1]],
    twins: [ports[2], ports[3]],
    upstreams: [ports[4], ports[5], ports[6]],
    firms: [firm],
    ...(plan.session === undefined ? {} : { session: plan.session }),
  });
  const licenses = join(dir, "licenses.toml");
  writeFileSync(licenses, plan.licenses);
  const folder = join(dir, "containers");
  const issued = await issue({
    dir: centralDir,
    system: system.systemFile,
    licenses,
    folder,
    as: "new",
    ...(plan.copy === undefined ? {} : { copy: plan.copy }),
  });
  for (const { upstream, file } of issued.containers) {
    const target = system.containerDirs[upstream - 1];
    if (target !== undefined) copyFileSync(file, join(target, "plant.tmrc"));
  }
  const logDir = join(dir, "logs");
  mkdirSync(logDir, { recursive: true });
  const upstream = (i: 0 | 1 | 2): ProcessDescription => ({
    name: `upstream-${i + 1}`,
    role: "upstream",
    config: system.upstreamFiles[i],
  });
  const server = (i: 0 | 1): ProcessDescription => ({
    name: system.system.servers[i]?.name ?? `server-${i}`,
    role: "server",
    config: system.serverFiles[i],
  });
  return {
    dir,
    system,
    issued,
    logDir,
    upstreams: [upstream(0), upstream(1), upstream(2)],
    servers: [server(0), server(1)],
  };
}
