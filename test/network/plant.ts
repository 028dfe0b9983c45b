/** The system of the network tests: five servers on five hosts, two hosts for clients, and what keepalived is told. */
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createFirm } from "../../ts/central/firm.js";
import { type CreatedSystem, createSystem } from "../../ts/central/found-system.js";
import { issue } from "../../ts/central/issue.js";
import { loadServerConfig } from "../../ts/config/index.js";
import { dropIns, keepalivedConf } from "../../ts/failover/keepalived.js";
import type { Host, Network } from "./namespaces.js";

export const FIRM_CODE = 6_000_010;
export const PRODUCT_CODE = 1;
export const QUANTITY = 4;
export const SESSION_TIMEOUT_MS = 10_000;
export const VIRTUAL_IP = "10.77.0.100";
const PORT = 7100;
const TWIN_PORT = 7110;

export interface Plant {
  readonly dir: string;
  readonly logDir: string;
  readonly network: Network;
  readonly system: CreatedSystem;
  readonly servers: readonly [Host, Host];
  readonly upstreams: readonly [Host, Host, Host];
  readonly clients: readonly [Host, Host];
  /** keepalived.conf of each server */
  readonly keepalived: readonly [string, string];
  /** what systemd would run after keepalived ended, however it ended */
  readonly afterKeepalived: readonly string[];
}

/** Writes everything below `dir` and makes the network. */
export async function buildPlant(dir: string, network: Network): Promise<Plant> {
  const servers = [network.host("tmr-a", "10.77.0.1"), network.host("tmr-b", "10.77.0.2")] as const;
  const upstreams = [1, 2, 3].map((id) => network.host(`up-${id}`, `10.77.0.${10 + id}`)) as [Host, Host, Host];
  const clients = [network.host("client-1", "10.77.0.21"), network.host("client-2", "10.77.0.22")] as const;
  const at = ({ address }: Host, port: number): string => `${address}:${port}`;
  const centralDir = join(dir, "central");
  const firm = createFirm(centralDir, { firmCode: FIRM_CODE, name: "Test firm" });
  const system = createSystem(join(dir, "plant"), {
    name: "network",
    clients: [at(servers[0], PORT), at(servers[1], PORT)],
    twins: [at(servers[0], TWIN_PORT), at(servers[1], TWIN_PORT)],
    upstreams: [at(upstreams[0], PORT), at(upstreams[1], PORT), at(upstreams[2], PORT)],
    firms: [firm],
    session: { timeoutMs: SESSION_TIMEOUT_MS },
  });
  const text = readFileSync(system.systemFile, "utf8");
  writeFileSync(
    system.systemFile,
    text.replace("[[server]]", `virtualAddress = "${VIRTUAL_IP}:${PORT}"\n\n[[server]]`),
  );
  for (const file of system.serverFiles) {
    appendFileSync(file, `\n[virtualIp]\naddress = "${VIRTUAL_IP}/24"\ninterface = "eth0"\nrouterId = 51\n`);
    // The server listens on the virtual address too, whether it has it now or not.
    writeFileSync(file, readFileSync(file, "utf8").replace("[server]", `[server]\nlisten = "0.0.0.0:${PORT}"`));
  }
  const folder = join(dir, "containers");
  const licenses = join(dir, "licenses.toml");
  writeFileSync(
    licenses,
    `[[license]]\nid = "network"\nproductCode = ${PRODUCT_CODE}\ntext = "Network tests"\nquantity = ${QUANTITY}\n`,
  );
  const issued = await issue({ dir: centralDir, system: system.systemFile, licenses, folder, as: "new" });
  for (const { upstream, file } of issued.containers) {
    copyFileSync(file, join(system.containerDirs[upstream - 1] ?? "", "network.tmrc"));
  }
  const logDir = join(dir, "logs");
  mkdirSync(logDir);
  const configs = system.serverFiles.map((file) => loadServerConfig(file));
  const keepalived = configs.map((config) => {
    const { name, twin, virtualIp } = config;
    if (virtualIp === null) throw new Error(`${config.file} has no [virtualIp]`);
    const file = join(dirname(config.file), "keepalived.conf");
    writeFileSync(file, keepalivedConf({ name, twin, virtualIp }), { mode: 0o644 });
    return { file, dropIn: dropIns.keepalived(virtualIp) };
  });
  const afterKeepalived = /^ExecStopPost=-(.+)$/m.exec(keepalived[0]?.dropIn ?? "")?.[1]?.split(" ");
  if (afterKeepalived === undefined) throw new Error("the drop-in of keepalived has no ExecStopPost");
  const files = keepalived.map(({ file }) => file) as [string, string];
  return { dir, logDir, network, system, servers, upstreams, clients, keepalived: files, afterKeepalived };
}
