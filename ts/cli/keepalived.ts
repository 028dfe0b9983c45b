/** `tmr keepalived`: keepalived.conf of this TMR server, from its tmr.toml. */
import { type Command, Option } from "commander";
import { TmrError } from "../errors.js";
import type { CliContext } from "./context.js";

interface KeepalivedFlags {
  readonly config: string;
  readonly unit?: "keepalived" | "tmr-server";
}

/** Adds the command. */
export function registerKeepalived(program: Command, { terminal }: CliContext): void {
  program
    .command("keepalived")
    .description("print the keepalived.conf that moves the virtual address with this TMR server")
    .requiredOption("-c, --config <file>", "tmr.toml")
    .addOption(
      new Option("-u, --unit <unit>", "print the drop-in for this systemd unit instead").choices([
        "keepalived",
        "tmr-server",
      ]),
    )
    .action(async ({ config: file, unit }: KeepalivedFlags) => {
      const { loadServerConfig } = await import("../config/index.js");
      const { dropIns, keepalivedConf } = await import("../failover/keepalived.js");
      const { name, twin, virtualIp } = loadServerConfig(file);
      if (virtualIp === null) {
        throw new TmrError("ERR_TMR_CONFIG", `${file}: virtualIp: expected a table, received nothing`);
      }
      terminal.out(unit === undefined ? keepalivedConf({ name, twin, virtualIp }) : dropIns[unit](virtualIp));
    });
}
