/**
 * A system for five machines: one folder for each, laid out as it is copied to the root of its file system, and an inventory
 * of what there is. Paths in the configurations are relative, so that all of it also runs where it lies.
 */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import type { FirmEntry } from "../config/system.js";
import { makeFolder, refuseExisting, writeFileDurably } from "../config/write-file.js";
import { foundSystem, section } from "./found-system.js";
import { readmeText } from "./installation-readme.js";

/** A machine that is to be: a name that is a folder's too, and where it is reached, as `host:port`. */
export interface PlannedServer {
  readonly name: string;
  readonly clients: string;
  readonly twin: string;
}
export interface PlannedUpstream {
  readonly name: string;
  readonly address: string;
}

/** What {@link createInstallation} writes; checked by whoever made it. */
export interface InstallationPlan {
  readonly name: string;
  readonly servers: readonly [PlannedServer, PlannedServer];
  readonly upstreams: readonly [PlannedUpstream, PlannedUpstream, PlannedUpstream];
  readonly firms: readonly FirmEntry[];
}

export type MachineRole = "tmr-server" | "tmr-upstream";

/** One file of a machine. */
export interface InstalledFile {
  /** on the machine */
  readonly path: string;
  readonly sha256: string;
  /** octal */
  readonly mode: string;
}

/** One machine. Its role is the name of its package, its unit and its folders too. */
export interface Machine {
  readonly name: string;
  readonly role: MachineRole;
  readonly host: string;
  readonly addresses: readonly { readonly address: string; readonly for: string }[];
  /** its configuration, below the folder of the installation */
  readonly config: string;
  readonly files: readonly InstalledFile[];
}

/** One line of the firewall table: who opens connections to where. */
export interface FirewallRule {
  readonly from: string;
  readonly to: string;
  readonly protocol: "tcp";
  readonly port: number;
  readonly why: string;
}

/** What inventory.json holds. */
export interface Inventory {
  readonly system: string;
  readonly virtualContainer: string;
  readonly machines: readonly Machine[];
  readonly firewall: readonly FirewallRule[];
}

const SECRET_MODE = 0o600;
const PLAIN_MODE = 0o644;
/** From /etc/ROLE to /var/lib/ROLE. */
const stateOf = (role: MachineRole): string => `../../var/lib/${role}`;

interface Draft {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/**
 * Writes the folder, which must not be there yet: a folder per machine, system.toml for clients, inventory.json, README.txt.
 * Throws ERR_TMR_FILE.
 */
export function createInstallation(dir: string, plan: InstallationPlan): Inventory {
  const root = resolve(dir);
  refuseExisting(root, "a system is founded once; choose another folder");
  const founded = foundSystem({
    name: plan.name,
    clients: [plan.servers[0].clients, plan.servers[1].clients],
    twins: [plan.servers[0].twin, plan.servers[1].twin],
    upstreams: [plan.upstreams[0].address, plan.upstreams[1].address, plan.upstreams[2].address],
    serverNames: [plan.servers[0].name, plan.servers[1].name],
    upstreamNames: [plan.upstreams[0].name, plan.upstreams[1].name, plan.upstreams[2].name],
    firms: plan.firms,
  });
  // The keys in it: nobody else may look into the folder, whatever the mode of a file.
  makeFolder(root, 0o700);
  const servers = plan.servers.map(({ name, clients, twin }, i) => {
    const addresses = [
      { address: clients, for: "clients" },
      { address: twin, for: "the other TMR server" },
    ];
    return writeMachine(root, { name, role: "tmr-server", addresses }, [
      { path: "system.toml", text: founded.system, mode: PLAIN_MODE },
      { path: "server-key.json", text: founded.serverKeys[i] ?? "", mode: SECRET_MODE },
      { path: "tmr.toml", text: serverText(name), mode: PLAIN_MODE },
    ]);
  });
  const upstreams = plan.upstreams.map(({ name, address }, i) => {
    makeFolder(join(root, name, "var/lib/tmr-upstream/containers"));
    return writeMachine(root, { name, role: "tmr-upstream", addresses: [{ address, for: "the TMR servers" }] }, [
      { path: "system.toml", text: founded.system, mode: PLAIN_MODE },
      { path: "upstream-key.json", text: founded.upstreamKeys[i] ?? "", mode: SECRET_MODE },
      { path: "upstream.toml", text: upstreamText(i + 1), mode: PLAIN_MODE },
    ]);
  });
  const inventory: Inventory = {
    system: plan.name,
    virtualContainer: founded.virtualContainer,
    machines: [...servers, ...upstreams],
    firewall: firewallOf(plan),
  };
  writeFileDurably(join(root, "system.toml"), founded.system);
  writeFileDurably(join(root, "inventory.json"), `${JSON.stringify(inventory, null, 2)}\n`);
  writeFileDurably(join(root, "README.txt"), readmeText(inventory));
  return inventory;
}

function serverText(name: string): string {
  return [
    "# One TMR server. In /etc/tmr-server its state is in /var/lib/tmr-server.",
    section("[server]", {
      name,
      state: stateOf("tmr-server"),
      key: "server-key.json",
      system: "system.toml",
    }),
    section("[log]", { level: "info" }),
  ].join("\n");
}

function upstreamText(id: number): string {
  return [
    "# One upstream. In /etc/tmr-upstream its state is in /var/lib/tmr-upstream, with the container files in containers/.",
    section("[upstream]", {
      id,
      state: stateOf("tmr-upstream"),
      containers: `${stateOf("tmr-upstream")}/containers`,
      key: "upstream-key.json",
      system: "system.toml",
    }),
    section("[log]", { level: "info" }),
  ].join("\n");
}

function writeMachine(
  root: string,
  { name, role, addresses }: Pick<Machine, "name" | "role" | "addresses">,
  drafts: readonly Draft[],
): Machine {
  const folder = join(root, name, "etc", role);
  makeFolder(folder);
  makeFolder(join(root, name, "var/lib", role));
  for (const { path, text, mode } of drafts) writeFileDurably(join(folder, path), text, { mode });
  const files = drafts.map(({ path, text, mode }) => ({
    path: `/etc/${role}/${path}`,
    sha256: createHash("sha256").update(text).digest("hex"),
    mode: mode.toString(8).padStart(4, "0"),
  }));
  const config = `${name}/etc/${role}/${role === "tmr-server" ? "tmr.toml" : "upstream.toml"}`;
  return { name, role, host: hostOf(addresses[0]?.address ?? ""), addresses, config, files };
}

/** The host of `host:port`, without the brackets of IPv6. */
export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replaceAll(/^\[|\]$/g, "");
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

function firewallOf({ servers, upstreams }: InstallationPlan): FirewallRule[] {
  const both = servers.map(({ name }) => name).join(", ");
  const rule = (from: string, to: string, address: string, why: string): FirewallRule => {
    return { from, to, protocol: "tcp", port: portOf(address), why };
  };
  return [
    ...servers.map(({ name, clients }) => rule("clients, administrators", name, clients, "licenses, tmr status")),
    ...servers.map(({ name, twin }, i) => rule(servers[1 - i]?.name ?? "", name, twin, "heartbeats of the twins")),
    ...upstreams.map(({ name, address }) => rule(both, name, address, "replication")),
    ...upstreams.map(({ name, address }) => rule("administrators", name, address, "tmr servers -k, tmr doctor")),
  ];
}
