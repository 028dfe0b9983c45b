/** README.txt of an installation: five copies and five starts, as commands. */
import type { FirewallRule, Inventory, Machine } from "./installation.js";

/** The text, in plain ASCII lines. */
export function readmeText({ system, machines, firewall }: Inventory): string {
  return [
    `TMR system ${JSON.stringify(system)}: five machines, five copies, five starts`,
    "",
    "This folder holds the private keys of all five. Keep it where only administrators are, or remove it when all runs.",
    "Commands are for a shell in this folder. inventory.json has addresses, ports and the SHA-256 of every file.",
    "",
    "1. Install the package on each machine:",
    "",
    ...machines.map((machine) => `   ${machine.name.padEnd(20)} ${machine.host.padEnd(24)} ${machine.role}`),
    "",
    "2. Copy:",
    "",
    ...machines.flatMap((machine) => copyLines(machine)),
    "3. Open the firewalls:",
    "",
    ...firewallLines(firewall),
    "",
    "4. Start, in any order. Nothing is served before both TMR servers and all three upstreams have met once:",
    "",
    ...machines.map(({ role, host }) => `   ssh root@${host} systemctl enable --now ${role}`),
    "",
    "5. Look, from any machine that has system.toml:",
    "",
    "   tmr status --system system.toml",
    "   tmr doctor --system system.toml",
    "",
    "Licenses: the firm is trusted by a [[firm]] table in system.toml, the same on all five machines and on clients;",
    "`tmr central issue --system system.toml` makes three container files, one for /var/lib/tmr-upstream/containers of each",
    "upstream. Clients need system.toml, which holds no secret.",
    "",
  ].join("\n");
}

function copyLines({ name, host, role }: Machine): string[] {
  // Folders that are there keep their owner and mode; what is new belongs to the service.
  const unpack = `tar -C / --no-overwrite-dir -xp && chown -R tmr:tmr /etc/${role} /var/lib/${role}`;
  return [`   tar -C ${name} --owner=0 --group=0 -c etc var |`, `     ssh root@${host} '${unpack}'`, ""];
}

function firewallLines(rules: readonly FirewallRule[]): string[] {
  const widths = (["from", "to"] as const).map((key) => Math.max(...rules.map((rule) => rule[key].length)));
  return rules.map(
    ({ from, to, protocol, port, why }) =>
      `   ${from.padEnd(widths[0] ?? 0)}  to  ${to.padEnd(widths[1] ?? 0)}  ${protocol} ${String(port).padEnd(5)}  ${why}`,
  );
}
