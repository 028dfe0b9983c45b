/**
 * The system that a chaos run hurts: five real processes on loopback, with a proxy in every link. Each TMR server and the
 * clients have a system.toml of their own, which differs from the true one in the addresses: those of the proxies.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createFirm } from "../../ts/central/firm.js";
import { type CreatedSystem, createSystem } from "../../ts/central/found-system.js";
import { issue } from "../../ts/central/issue.js";
import { freePorts, type ProcessDescription } from "../../ts/cli/demo/processes.js";
import { Proxy } from "./proxy.js";

export const FIRM_CODE = 6_000_010;

/** The licenses of the workload: a single seat, few seats, many. Their clients want up to `most` at once. */
export const LICENSES = [
  { productCode: 1, text: "One seat", quantity: 1, most: 1, holdMs: 60 },
  { productCode: 2, text: "Few seats", quantity: 4, most: 3, holdMs: 150 },
  { productCode: 3, text: "Many seats", quantity: 60, most: 5, holdMs: 400 },
] as const;

/** Short, so that the seats of a killed client come back within the run; longer than any single fault. */
export const SESSION_TIMEOUT_MS = 8_000;

export type Twin = 0 | 1;
export type Upstream = 1 | 2 | 3;

/** One link with a proxy in it. */
export interface Link {
  readonly proxy: Proxy;
  readonly kind: "client" | "upstream" | "twin";
  /** the upstream at its end, for kind `upstream` */
  readonly upstream?: Upstream;
}

export interface ChaosPlant {
  readonly dir: string;
  readonly logDir: string;
  readonly system: CreatedSystem;
  /** what clients are told */
  readonly clientSystem: string;
  readonly upstreams: readonly [ProcessDescription, ProcessDescription, ProcessDescription];
  readonly servers: readonly [ProcessDescription, ProcessDescription];
  readonly links: readonly Link[];
}

/** The store's folder of an upstream. */
export function stateDir(upstream: ProcessDescription): string {
  return join(dirname(upstream.config), "state");
}

/** In front of both servers for clients; of each server before its twin and the three upstreams. */
const PROXIES = 10;

/** Writes everything below `dir` and starts the proxies. */
export async function buildChaosPlant(dir: string): Promise<ChaosPlant> {
  // All at once: a port that was free may be given to the next who asks for one.
  const free = await freePorts(7 + PROXIES);
  const ports = free.slice(0, 7) as [number, number, number, number, number, number, number];
  const centralDir = join(dir, "central");
  const firm = createFirm(centralDir, { firmCode: FIRM_CODE, name: "Test firm" });
  const system = createSystem(join(dir, "plant"), {
    name: "chaos",
    clients: [ports[0], ports[1]],
    twins: [ports[2], ports[3]],
    upstreams: [ports[4], ports[5], ports[6]],
    firms: [firm],
    session: { timeoutMs: SESSION_TIMEOUT_MS },
  });
  await issueLicenses(dir, centralDir, system);
  const links: Link[] = [];
  const through = async (name: string, port: number, rest: Omit<Link, "proxy">): Promise<number> => {
    const proxy = new Proxy(name, port);
    links.push({ proxy, ...rest });
    return proxy.listen(free[6 + links.length] as number);
  };
  const clientSystem = join(dir, "plant", "clients.toml");
  writeRenamed(system.systemFile, clientSystem, [
    [ports[0], await through("clients→tmr-a", ports[0], { kind: "client" })],
    [ports[1], await through("clients→tmr-b", ports[1], { kind: "client" })],
  ]);
  for (const twin of [0, 1] as const) {
    const name = "ab"[twin];
    const peer = ports[3 - twin] as number;
    const changes: [number, number][] = [
      [peer, await through(`tmr-${name}→tmr-${"ba"[twin]}`, peer, { kind: "twin" })],
    ];
    for (const upstream of [1, 2, 3] as const) {
      const port = ports[3 + upstream] as number;
      const rest = { kind: "upstream", upstream } as const;
      changes.push([port, await through(`tmr-${name}→upstream-${upstream}`, port, rest)]);
    }
    const config = system.serverFiles[twin];
    writeRenamed(system.systemFile, join(dirname(config), "system.toml"), changes);
    writeFileSync(config, readFileSync(config, "utf8").replace('"../system.toml"', '"system.toml"'));
  }
  const logDir = join(dir, "logs");
  mkdirSync(logDir, { recursive: true });
  const upstream = (i: 0 | 1 | 2): ProcessDescription => ({
    name: `upstream-${i + 1}`,
    role: "upstream",
    config: system.upstreamFiles[i],
  });
  const server = (i: Twin): ProcessDescription => ({
    name: i === 0 ? "tmr-a" : "tmr-b",
    role: "server",
    config: system.serverFiles[i],
  });
  return {
    dir,
    logDir,
    system,
    clientSystem,
    upstreams: [upstream(0), upstream(1), upstream(2)],
    servers: [server(0), server(1)],
    links,
  };
}

async function issueLicenses(dir: string, centralDir: string, system: CreatedSystem): Promise<void> {
  const licenses = join(dir, "licenses.toml");
  const text = LICENSES.map(
    ({ productCode, text, quantity }) =>
      `[[license]]\nid = "chaos-${productCode}"\nproductCode = ${productCode}\ntext = "${text}"\nquantity = ${quantity}\n`,
  );
  writeFileSync(licenses, text.join("\n"));
  const folder = join(dir, "containers");
  const issued = await issue({ dir: centralDir, system: system.systemFile, licenses, folder, as: "new" });
  for (const { upstream, file } of issued.containers) {
    copyFileSync(file, join(system.containerDirs[upstream - 1] ?? "", "chaos.tmrc"));
  }
}

/** Copies a system.toml with other ports. */
function writeRenamed(from: string, to: string, ports: readonly (readonly [from: number, to: number])[]): void {
  const text = ports.reduce(
    (text, [before, after]) => text.replace(`"127.0.0.1:${before}"`, `"127.0.0.1:${after}"`),
    readFileSync(from, "utf8"),
  );
  writeFileSync(to, text);
}
